"""The function `check`: find problems in gradients."""

from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Unpack

from gradclip_cli import pipeline
from gradclip_cli.api.arguments import Client, Path, Paths, Progress, begin, checked, paths_of, selection_of
from gradclip_cli.api.stores import StoreKeywords, asks_stores
from gradclip_cli.api.weights import weights_at
from gradclip_cli.checks import BASELINE, NAMES, RATIO, parse_names
from gradclip_cli.checks.limits import Limits
from gradclip_cli.commands.plans import CheckPlan
from gradclip_cli.errors import UsageError
from gradclip_cli.inputs.choices import Choices
from gradclip_cli.inputs.discovery import Found, find_dumps
from gradclip_cli.inputs.loss_scale import parse_unscale
from gradclip_cli.inputs.norm_logs.base import LogOptions, Logs
from gradclip_cli.inputs.norm_logs.finding import find_logs, logs_beside, refuse_column, refuse_options
from gradclip_cli.inputs.wanted_steps import WantedSteps, parse_steps, refuse_slices
from gradclip_cli.reports.check import CheckReport
from gradclip_cli.storage.location_names import given as location


@checked
@asks_stores
def check(
    inputs: Paths,
    *,
    ignore: Iterable[str] = (),
    exploding_factor: float = Limits.exploding_factor,
    exploding_dumps: int = Limits.exploding_dumps,
    growing_factor: float = Limits.growing_factor,
    growing_dumps: int = Limits.growing_dumps,
    accumulating_dumps: int = Limits.accumulating_dumps,
    accumulating_cosine: float = Limits.accumulating_cosine,
    vanishing_mean: float = Limits.vanishing_mean,
    vanishing_ratio: float = Limits.vanishing_ratio,
    dead_share: float = Limits.dead_share,
    unchanged_dumps: int = Limits.unchanged_dumps,
    unchanged_rtol: float = Limits.unchanged_rtol,
    unchanged_atol: float = Limits.unchanged_atol,
    dominated_share: float = Limits.dominated_share,
    underflow_share: float = Limits.underflow_share,
    overflow_share: float = Limits.overflow_share,
    underflow_dtype: Iterable[str] = Limits.underflow_dtype,
    spread_ratio: float = Limits.spread_ratio,
    ratio_factor: float = Limits.ratio_factor,
    ratio_max: float = Limits.ratio_max,
    ratio_min: float = Limits.ratio_min,
    unlike_baseline_spreads: float = Limits.unlike_baseline_spreads,
    baseline: Path | None = None,
    weights: Paths = (),
    include: Iterable[str] = (),
    exclude: Iterable[str] = (),
    group_depth: int | None = None,
    layer_regex: str | None = None,
    void_dtype: str | None = None,
    allow_huge: bool = False,
    input_format: str | None = None,
    allow_missing: bool = False,
    keep_going: bool = False,
    shards: bool = False,
    files: Iterable[str] = (),
    steps: str | int | WantedSteps | None = None,
    repeated: str | None = None,
    accumulate: str | None = None,
    along: int | None = None,
    replicated: Iterable[str] = (),
    tied: str = "twice",
    unscale: float | str | None = None,
    column: str | None = None,
    jobs: int | None = None,
    scheduler: str | Client | None = None,
    progress: Progress | None = None,
    **stores: Unpack[StoreKeywords],
) -> CheckReport:
    """Find problems in one dump or in a series.

    `ignore` names the rules to leave out; the name of each limit begins with its rule. `baseline` is a run that went well, which
    the norms of blocks are held against, all steps of it. Either may be a log of norms, whose `column` is taken; it is checked by the
    rules that need no gradients. The rule ratio needs `weights`: one dump, or one for each step. Raises `GradclipError`.
    """
    asked = locals()
    ignored = parse_names(tuple(ignore))
    if baseline is not None and BASELINE in ignored:
        raise UsageError(f"--baseline and --ignore {BASELINE} exclude each other")
    refuse_slices(steps, along)
    choices = Choices(tuple(files), shards, repeated, accumulate=accumulate, steps=parse_steps(steps))
    logs = find_logs(paths_of(inputs), input_format, column)
    good_logs = [] if baseline is None else logs_beside(location(baseline), input_format, column)
    if logs or good_logs:
        refuse_options((logs or good_logs)[0], asked, both=bool(logs) and (bool(good_logs) or baseline is None))
    else:
        refuse_column(column)
    options = LogOptions(column, repeated, parse_unscale(unscale))
    found = Found(()) if logs else find_dumps(paths_of(inputs), choices)
    good = None
    if baseline is not None:
        good = Found(()) if good_logs else find_dumps(paths_of(baseline), replace(choices, steps=None))
    own = weights_at(weights, shards=shards)
    plan = CheckPlan(
        inputs=found.sources,
        notes=(*found.notes, *own.notes, *(good.notes if good is not None else ())),
        repeated=repeated,
        rules=tuple(rule for rule in NAMES if rule not in ignored and (rule != RATIO or own.sources)),
        limits=Limits(**{one.name: asked[one.name] for one in fields(Limits)}),
        selection=selection_of(asked, [*found.sources, *(good.sources if good else ())], or_logs=True),
        allow_missing=allow_missing,
        keep_going=keep_going,
        jobs=jobs,
        baseline=() if good is None else good.sources,
        weights=own.sources,
        baseline_name="" if baseline is None else location(baseline),
        logs=Logs(tuple(logs), options) if logs else None,
        baseline_logs=Logs(tuple(good_logs), options) if good_logs else None,
    )
    return pipeline.check(plan, begin(progress, [*plan.inputs, *plan.baseline], 1), scheduler)
