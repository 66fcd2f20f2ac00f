"""A series of dumps, read one after the other in the order of their steps, and what the rules find in it."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from gradclip_cli import rules
from gradclip_cli.checking import readings, sameness
from gradclip_cli.checking.losses import Losses
from gradclip_cli.engine import same_tensors
from gradclip_cli.engine.executors import Executor
from gradclip_cli.engine.series import check_taken, surveyed
from gradclip_cli.engine.survey import Dump, Progress
from gradclip_cli.errors import GradclipError, InputError
from gradclip_cli.inputs import shards
from gradclip_cli.inputs.order import in_step_order
from gradclip_cli.numerics.differences import Tolerance
from gradclip_cli.plan.lists import CheckPlan
from gradclip_cli.reports import CheckReport, Finding
from gradclip_cli.rules.base import Found
from gradclip_cli.rules.figures import Figures
from gradclip_cli.text import count

_FEW = 4
"""So many dumps are named one by one."""


class Read(NamedTuple):
    """The dumps that could be read, with their steps, and what was wrong with the others."""

    dumps: list[tuple[readings.Reading, int | None]]
    notes: list[str]
    failed: list[GradclipError]


def read(plan: CheckPlan, workers: Executor, progress: Progress) -> Read:
    """Reduce dumps to figures; of the elements nothing is kept, and of the dump before only what its header says."""
    found = Read([], [], [])
    before: Dump | None = None
    first: same_tensors.Shapes = {}
    unlike: list[tuple[str, str]] = []
    for path, step in in_step_order(plan.inputs):
        try:
            losses, dumps, same = _read_one(path, before, plan, workers, progress)
        except InputError as error:
            if not plan.keep_going:
                raise
            found.failed.append(error)
            continue
        if before is None:
            check_taken(dumps, plan.selection)
            found.notes.extend(dumps[0].notes)
            first = same_tensors.shapes_of(dumps[0])
        before = dumps[-1]
        for dump, alike in zip(dumps, same, strict=True):
            unlike.append((dump.path, same_tensors.unlike(first, dump)))
            found.dumps.append((readings.reading(dump, losses, alike), dump.step if dump.prefix else step))
    if not found.dumps:
        raise found.failed[0]
    found.notes.extend(same_tensors.notes(unlike))
    return found


def _read_one(
    path: str, before: Dump | None, plan: CheckPlan, workers: Executor, progress: Progress
) -> tuple[Losses, list[Dump], list[set[str]]]:
    """Measure the dumps in a file; return what is lost in each, and what is the same in each as in the one before it."""
    losses = Losses(_targets(plan), workers.work)
    dumps = surveyed(path, plan.selection, sameness.TYPES, workers, progress, losses.follow)
    same = [_same(one, other, plan, workers) for one, other in zip([before, *dumps], dumps, strict=False)]
    return losses, dumps, same


def _targets(plan: CheckPlan) -> tuple[str, ...]:
    return plan.limits.underflow_dtype if "underflow" in plan.rules else ()


def _same(before: Dump | None, dump: Dump, plan: CheckPlan, workers: Executor) -> set[str]:
    if before is None or "unchanged" not in plan.rules:
        return set()
    within = Tolerance(plan.limits.unchanged_rtol, plan.limits.unchanged_atol)
    return sameness.unchanged(before, dump, within, plan.selection, workers)


def report(plan: CheckPlan, found: Read) -> CheckReport:
    """Apply the rules to what was read."""
    steps = [step for _, step in found.dumps]
    figures = readings.figures([reading for reading, _ in found.dumps], steps, _targets(plan))
    inputs = [shards.shown(reading.path, reading.path) for reading, _ in found.dumps]
    rows = [
        Finding(
            rule,
            inputs[one.dumps[0]],
            steps[one.dumps[0]],
            *_place(one, figures),
            one.value,
            one.limit,
            one.message + _often(one.dumps, figures.dumps),
        )
        for rule, one in _found(plan, figures)
    ]
    return CheckReport(rows, len(inputs), found.notes, found.failed)


def _found(plan: CheckPlan, figures: Figures) -> Iterator[tuple[str, Found]]:
    for rule in plan.rules:
        yield from ((rule, one) for one in rules.by_name(rule)(figures, plan.limits))


def _place(one: Found, figures: Figures) -> tuple[str | None, str | None]:
    if one.tensor is None:
        return one.layer, None
    return figures.tensors[one.tensor].layer, figures.tensors[one.tensor].param


def _often(rows: Sequence[int], dumps: Sequence[str]) -> str:
    """Say in how many dumps the same was found."""
    if len(rows) == 1:
        return ""
    names = [dumps[row] for row in rows]
    which = ", ".join(names) if len(rows) <= _FEW else f"{names[0]} to {names[-1]}"
    return f" (in {len(rows):,} of {count(len(dumps), 'dump')}: {which})"
