"""The work of the command line as functions."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from gradclip_cli import pipeline
from gradclip_cli.checks import CHECKS, parse_names
from gradclip_cli.checks.limits import Limits
from gradclip_cli.commands.apply.outputs import into_folder, outputs_for
from gradclip_cli.commands.apply.plan import NONFINITE, ApplyPlan, Override
from gradclip_cli.commands.check.plan import CheckPlan
from gradclip_cli.commands.diff import DiffPlan
from gradclip_cli.commands.stats.plan import StatsPlan, Trial
from gradclip_cli.errors import UsageError
from gradclip_cli.inputs.discovery import find_dumps, find_one
from gradclip_cli.inputs.naming import Naming
from gradclip_cli.inputs.selection import Selection
from gradclip_cli.planning import naming
from gradclip_cli.reports import ApplyReport, CheckReport, DiffReport, StatsReport
from gradclip_cli.strategies import find
from gradclip_cli.strategies.base import Norm
from gradclip_cli.thresholds.rules import parse_rule, threshold_of

Path = str | os.PathLike[str]
Layers = Mapping[str, tuple[str | None, float | str | None]]


def apply(
    inputs: Path | Sequence[Path],
    output: Path | None = None,
    *,
    strategy: str,
    threshold: float | str | None = None,
    layers: Layers | None = None,
    norm_type: float | None = None,
    epsilon: float | None = None,
    nonfinite: str = "error",
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
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
) -> ApplyReport:
    """Transform gradient dumps and return what became of them.

    `threshold` is a number above 0, a rule such as "mean", or one with a threshold for each step, "autoclip:10" or "zclip";
    `layers` maps patterns to (strategy, threshold), either of which may be None, in order. Everything else is as on the
    command line; "-" is the standard input, or the standard output, of the process. Raises `GradclipError`, and
    `BrokenPipeError` where the reader of standard output is gone.
    """
    if nonfinite not in NONFINITE:
        raise UsageError(f"nonfinite must be one of {', '.join(NONFINITE)}, not {nonfinite!r}")
    paths = _paths(inputs)
    found = find_dumps(paths, shards)
    directory = into_folder(paths, found, output_format)
    target = None if output is None else os.fspath(output)
    return pipeline.apply(
        ApplyPlan(
            inputs=found,
            outputs=outputs_for(found, target, in_place=in_place, dry_run=dry_run, directory=directory),
            strategy=find(strategy),
            threshold=threshold_of(threshold),
            overrides=_overrides(layers or {}),
            norm=Norm.asked(norm_type, epsilon),
            nonfinite=nonfinite,
            selection=Selection(
                tuple(include), tuple(exclude), naming(layer_regex, group_depth), input_format, void_dtype, allow_huge
            ),
            output_format=output_format,
            overwrite=overwrite or in_place,
            folder=target if directory else None,
            jobs=jobs,
        )
    )


def stats(
    inputs: Path | Sequence[Path],
    *,
    strategy: str | None = None,
    rule: str = "mean",
    tries: Sequence[str] = (),
    norm_type: float = 2.0,
    epsilon: float = 0.0,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
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
) -> StatsReport:
    """Measure the norms of one dump or of a series and suggest thresholds.

    `tries` holds texts such as "clip-l2-per-layer:mad:5", as after `--try`. Of a rule with a threshold for each step, such as
    "autoclip:10", `replay` says what it does under the strategy: step by step where that clips whole dumps, and
    `replay_groups` layer by layer or tensor by tensor where it does not. Raises `GradclipError`.
    """
    return pipeline.stats(
        StatsPlan(
            inputs=find_dumps(_paths(inputs), shards),
            strategy=find(strategy) if strategy else None,
            rule=parse_rule(rule),
            norm=Norm(norm_type, epsilon),
            selection=Selection(
                tuple(include), tuple(exclude), naming(layer_regex, group_depth), input_format, void_dtype, allow_huge
            ),
            skip_steps=skip_steps,
            allow_missing=allow_missing,
            keep_going=keep_going,
            jobs=jobs,
            tries=tuple(map(Trial.parse, tries)),
        )
    )


def check(
    inputs: Path | Sequence[Path],
    *,
    ignore: Sequence[str] = (),
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    group_depth: int | None = None,
    layer_regex: str | None = None,
    void_dtype: str | None = None,
    allow_huge: bool = False,
    input_format: str | None = None,
    keep_going: bool = False,
    shards: bool = False,
    jobs: int | None = None,
    **limits: Any,
) -> CheckReport:
    """Find what is wrong with one dump or with a series.

    `ignore` names rules; `limits` are those of the command line, such as `exploding_factor=20`. Raises `GradclipError`.
    """
    ignored = parse_names(ignore)
    return pipeline.check(
        CheckPlan(
            inputs=find_dumps(_paths(inputs), shards),
            rules=tuple(rule for rule in CHECKS if rule not in ignored),
            limits=Limits.of(limits),
            selection=Selection(
                tuple(include), tuple(exclude), naming(layer_regex, group_depth), input_format, void_dtype, allow_huge
            ),
            keep_going=keep_going,
            jobs=jobs,
        )
    )


def diff(
    a: Path,
    b: Path,
    *,
    rtol: float = 0.0,
    atol: float = 0.0,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    void_dtype: str | None = None,
    allow_huge: bool = False,
    input_format: str | None = None,
    jobs: int | None = None,
) -> DiffReport:
    """Compare two dumps tensor by tensor; elements are equal if |a - b| <= atol + rtol·|b|. Raises `GradclipError`."""
    return pipeline.diff(
        DiffPlan(
            find_one(os.fspath(a)),
            find_one(os.fspath(b)),
            rtol,
            atol,
            Selection(tuple(include), tuple(exclude), Naming(), input_format, void_dtype, allow_huge),
            jobs,
        )
    )


def _paths(inputs: Path | Sequence[Path]) -> list[str]:
    several = [inputs] if isinstance(inputs, str | os.PathLike) else inputs
    return [os.fspath(path) for path in several]


def _overrides(layers: Layers) -> tuple[Override, ...]:
    return tuple(
        Override(pattern, find(name) if name else None, threshold_of(value))
        for pattern, (name, value) in layers.items()
    )
