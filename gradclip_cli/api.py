"""The work of the command line as functions: keywords become a plan, the pipeline does it, and a report comes back.

The command line calls these, too, so an option means the same in both. The only maker of plans.
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence

from gradclip_cli import pipeline
from gradclip_cli.checks import NAMES, parse_names
from gradclip_cli.checks.limits import Limits
from gradclip_cli.commands.apply.outputs import into_folder, outputs_for
from gradclip_cli.commands.apply.plan import ApplyPlan, Override
from gradclip_cli.commands.arguments import Path, Paths, Progress, checked, paths_of
from gradclip_cli.commands.plans import CheckPlan, DiffPlan, LsPlan
from gradclip_cli.commands.stats.plan import StatsPlan, Trial
from gradclip_cli.engine.run import silent
from gradclip_cli.inputs.discovery import find_dumps, find_one
from gradclip_cli.inputs.naming import Naming
from gradclip_cli.inputs.selection import Selection
from gradclip_cli.inputs.source import DumpSource
from gradclip_cli.reports import ApplyReport, CheckReport, DiffReport, LsReport, StatsReport
from gradclip_cli.strategies import Strategy, find
from gradclip_cli.strategies.base import Norm
from gradclip_cli.thresholds.adaptive import AdaptiveRule
from gradclip_cli.thresholds.rules import Rule, parse_rule, threshold_of

Layers = Mapping[str, tuple[str | None, float | str | None]] | Sequence[Override]


@checked
def apply(
    inputs: Paths,
    output: Path | None = None,
    *,
    strategy: str | Strategy,
    threshold: float | str | Rule | AdaptiveRule | None = None,
    layers: Layers = (),
    norm_type: float | None = None,
    epsilon: float | None = None,
    nonfinite: str = "error",
    include: Iterable[str] = (),
    exclude: Iterable[str] = (),
    group_depth: int | None = None,
    layer_regex: str | None = None,
    void_dtype: str | None = None,
    allow_huge: bool = False,
    input_format: str | None = None,
    output_format: str | None = None,
    in_place: bool = False,
    overwrite: bool = False,
    dry_run: bool = False,
    shards: bool = False,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> ApplyReport:
    """Transform gradient dumps and return what became of them.

    `threshold` is a number above 0, a rule such as "mean", or one with a threshold for each step, "autoclip:10" or "zclip".
    `layers` maps patterns to (strategy, threshold), either of which may be None; the last match wins. Everything else is as
    on the command line; "-" is standard input, or standard output. Raises `GradclipError`; `ClosedPipeError` says that the
    reader of standard output has left.
    """
    paths = paths_of(inputs)
    found = find_dumps(paths, shards)
    directory = into_folder(paths, found, output_format)
    target = None if output is None else os.fspath(output)
    naming = Naming.parse(layer_regex, group_depth)
    plan = ApplyPlan(
        inputs=found,
        outputs=outputs_for(found, target, in_place=in_place, dry_run=dry_run, directory=directory),
        strategy=_strategy(strategy),
        threshold=threshold if isinstance(threshold, Rule | AdaptiveRule) else threshold_of(threshold),
        overrides=_overrides(layers),
        norm=Norm.asked(norm_type, epsilon),
        nonfinite=nonfinite,
        selection=Selection(tuple(include), tuple(exclude), naming, input_format, void_dtype, allow_huge),
        output_format=output_format,
        overwrite=overwrite or in_place,
        folder=target if directory else None,
        jobs=jobs,
    )
    return pipeline.apply(plan, _begun(progress, found, 2))


@checked
def stats(
    inputs: Paths,
    *,
    strategy: str | Strategy | None = None,
    rule: str | Rule | AdaptiveRule = "mean",
    tries: Iterable[str | Trial] = (),
    norm_type: float | None = None,
    epsilon: float | None = None,
    include: Iterable[str] = (),
    exclude: Iterable[str] = (),
    group_depth: int | None = None,
    layer_regex: str | None = None,
    void_dtype: str | None = None,
    allow_huge: bool = False,
    input_format: str | None = None,
    skip_steps: int = 0,
    allow_missing: bool = False,
    keep_going: bool = False,
    shards: bool = False,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> StatsReport:
    """Measure the norms of one dump or of a series and suggest thresholds.

    `tries` holds texts as after `--try`, such as "clip-l2-per-layer:mad:5". Under a rule with a threshold for each step, such as
    "autoclip:10", `replay` goes step by step, or `replay_groups` layer by layer or tensor by tensor. Raises `GradclipError`.
    """
    found = find_dumps(paths_of(inputs), shards)
    naming = Naming.parse(layer_regex, group_depth)
    plan = StatsPlan(
        inputs=found,
        strategy=_strategy(strategy) if strategy else None,
        rule=parse_rule(rule) if isinstance(rule, str) else rule,
        norm=Norm.asked(norm_type, epsilon) or Norm(),
        selection=Selection(tuple(include), tuple(exclude), naming, input_format, void_dtype, allow_huge),
        skip_steps=skip_steps,
        allow_missing=allow_missing,
        keep_going=keep_going,
        jobs=jobs,
        tries=tuple(Trial.parse(text) if isinstance(text, str) else text for text in tries),
    )
    return pipeline.stats(plan, _begun(progress, found, 1))


@checked
def check(
    inputs: Paths,
    *,
    ignore: Iterable[str] = (),
    exploding_factor: float = Limits.exploding_factor,
    exploding_dumps: int = Limits.exploding_dumps,
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
    include: Iterable[str] = (),
    exclude: Iterable[str] = (),
    group_depth: int | None = None,
    layer_regex: str | None = None,
    void_dtype: str | None = None,
    allow_huge: bool = False,
    input_format: str | None = None,
    keep_going: bool = False,
    shards: bool = False,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> CheckReport:
    """Find what is wrong with one dump or with a series.

    `ignore` names rules to leave out; each limit begins with the name of its rule. Raises `GradclipError`.
    """
    ignored, found = parse_names(tuple(ignore)), find_dumps(paths_of(inputs), shards)
    naming = Naming.parse(layer_regex, group_depth)
    plan = CheckPlan(
        inputs=found,
        rules=tuple(rule for rule in NAMES if rule not in ignored),
        limits=Limits(
            exploding_factor=exploding_factor,
            exploding_dumps=exploding_dumps,
            vanishing_mean=vanishing_mean,
            vanishing_ratio=vanishing_ratio,
            dead_share=dead_share,
            unchanged_dumps=unchanged_dumps,
            unchanged_rtol=unchanged_rtol,
            unchanged_atol=unchanged_atol,
            dominated_share=dominated_share,
            underflow_share=underflow_share,
            overflow_share=overflow_share,
            underflow_dtype=tuple(underflow_dtype),
            spread_ratio=spread_ratio,
        ),
        selection=Selection(tuple(include), tuple(exclude), naming, input_format, void_dtype, allow_huge),
        keep_going=keep_going,
        jobs=jobs,
    )
    return pipeline.check(plan, _begun(progress, found, 1))


@checked
def diff(
    a: Path,
    b: Path,
    *,
    rtol: float = 0.0,
    atol: float = 0.0,
    include: Iterable[str] = (),
    exclude: Iterable[str] = (),
    void_dtype: str | None = None,
    allow_huge: bool = False,
    input_format: str | None = None,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> DiffReport:
    """Compare two dumps tensor by tensor; elements are equal if |a - b| <= atol + rtol·|b|. Raises `GradclipError`."""
    found = find_one(os.fspath(a)), find_one(os.fspath(b))
    selection = Selection(tuple(include), tuple(exclude), Naming(), input_format, void_dtype, allow_huge)
    return pipeline.diff(DiffPlan(*found, rtol, atol, selection, jobs), _begun(progress, found, 1))


@checked
def ls(
    inputs: Paths,
    *,
    include: Iterable[str] = (),
    exclude: Iterable[str] = (),
    group_depth: int | None = None,
    layer_regex: str | None = None,
    void_dtype: str | None = None,
    allow_huge: bool = False,
    input_format: str | None = None,
) -> LsReport:
    """List the tensors of dumps with their layers, shapes and dtypes; only headers are read. Raises `GradclipError`."""
    found = find_dumps(paths_of(inputs))
    naming = Naming.parse(layer_regex, group_depth)
    selection = Selection(tuple(include), tuple(exclude), naming, input_format, void_dtype, allow_huge)
    return pipeline.ls(LsPlan(found, selection))


def _begun(progress: Progress | None, dumps: Sequence[DumpSource], passes: int) -> Callable[[int, str], None]:
    if progress is None:
        return silent
    progress.start(len(dumps), (file for dump in dumps for file in dump.files), passes)
    return progress.advance


def _strategy(given: str | Strategy) -> Strategy:
    return find(given) if isinstance(given, str) else given


def _overrides(layers: Layers) -> tuple[Override, ...]:
    if isinstance(layers, Mapping):
        return tuple(Override.of(pattern, *given) for pattern, given in layers.items())
    return tuple(layers)
