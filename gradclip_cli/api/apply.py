"""The function `apply`: transform dumps."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Unpack

from gradclip_cli import pipeline
from gradclip_cli.api.arguments import (
    Client,
    Path,
    Paths,
    Progress,
    begin,
    checked,
    paths_of,
    selection_of,
    strategy_of,
)
from gradclip_cli.api.stores import StoreKeywords, asks_stores
from gradclip_cli.api.weights import weights_at
from gradclip_cli.commands.apply.outputs import into_folder, outputs_for
from gradclip_cli.commands.apply.plan import ApplyPlan, Override
from gradclip_cli.inputs.choices import Choices
from gradclip_cli.inputs.discovery import find_dumps
from gradclip_cli.inputs.norm_logs.finding import refuse_logs
from gradclip_cli.inputs.unit_axis import AUTO, MIN_WEIGHT_NORM
from gradclip_cli.inputs.wanted_steps import WantedSteps, parse_steps, refuse_slices
from gradclip_cli.reports.apply import ApplyReport
from gradclip_cli.storage.location_names import given as location
from gradclip_cli.strategies import Strategy
from gradclip_cli.strategies.base import Norm
from gradclip_cli.thresholds.adaptive import AdaptiveRule, own_strategy
from gradclip_cli.thresholds.rules import AutoRule, Chooser, Rule, threshold_of

Layers = Mapping[str, tuple[str | None, float | str | None]] | Sequence[Override]


@checked
@asks_stores
def apply(
    inputs: Paths,
    output: Path | None = None,
    *,
    strategy: str | Strategy | None = None,
    threshold: float | str | Rule | AdaptiveRule | AutoRule | None = None,
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
    output_dtype: str | None = None,
    in_place: bool = False,
    overwrite: bool = False,
    dry_run: bool = False,
    allow_missing: bool = False,
    shards: bool = False,
    files: Iterable[str] = (),
    steps: str | int | WantedSteps | None = None,
    repeated: str | None = None,
    accumulate: str | None = None,
    along: int | None = None,
    replicated: Iterable[str] = (),
    tied: str = "twice",
    unscale: float | str | None = None,
    unit_axis: str = AUTO,
    weights: Paths = (),
    min_weight_norm: float = MIN_WEIGHT_NORM,
    jobs: int | None = None,
    scheduler: str | Client | None = None,
    progress: Progress | None = None,
    **stores: Unpack[StoreKeywords],
) -> ApplyReport:
    """Transform gradient dumps, and report norms before and after.

    `threshold` is a number above 0, a rule such as "mean", or one that decides at each step, such as "autoclip:10", "adagc" or
    "skip-olmo". Without a `strategy` it is that of such a rule, else clip-by-global-norm.
    `layers` maps patterns to (strategy, threshold), either of which may be None; the last match wins. Everything else is as
    on the command line; "-" is standard input, or standard output. Raises `GradclipError`; `ClosedPipeError` means
    that the reader of standard output has closed it.
    """
    asked, paths = locals(), paths_of(inputs)
    refuse_slices(steps, along)
    choices = Choices(tuple(files), shards, repeated, accumulate=accumulate, steps=parse_steps(steps), whole_files=True)
    refuse_logs(paths, "apply")
    found = find_dumps(paths, choices)
    directory = into_folder(paths, found.sources, output_format)
    target = None if output is None else location(output)
    selection = selection_of(asked, found.sources)
    limit = threshold if isinstance(threshold, Chooser) else threshold_of(threshold)
    own = weights_at(weights, shards=shards)
    plan = ApplyPlan(
        inputs=found.sources,
        notes=(*found.notes, *own.notes),
        repeated=repeated,
        outputs=outputs_for(
            found.sources,
            target,
            in_place=in_place,
            dry_run=dry_run,
            directory=directory,
            output_format=output_format,
        ),
        strategy=own_strategy(limit) if strategy is None else strategy_of(strategy),
        threshold=limit,
        overrides=_overrides(layers),
        norm=Norm.asked(norm_type, epsilon),
        nonfinite=nonfinite,
        selection=selection,
        output_format=output_format,
        output_dtype=output_dtype,
        overwrite=overwrite or in_place,
        folder=target if directory else None,
        allow_missing=allow_missing,
        jobs=jobs,
        unit_axis=unit_axis,
        weights=own.sources,
        min_weight_norm=min_weight_norm,
    )
    return pipeline.apply(plan, begin(progress, found.sources, 3 if plan.rereads else 2), scheduler)


def _overrides(layers: Layers) -> tuple[Override, ...]:
    """Return overrides, converted where they are given as a mapping from patterns to (strategy, threshold)."""
    if isinstance(layers, Mapping):
        return tuple(Override.of(pattern, *given) for pattern, given in layers.items())
    return tuple(layers)
