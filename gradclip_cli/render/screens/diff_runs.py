"""The screen of `diff` for two runs: when they part, how far apart each step is, and the blocks that differ most."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from gradclip_cli.render.charts.characters import sparkline
from gradclip_cli.render.screens.differences import APART, Table, by_difference, in_words, listed
from gradclip_cli.render.screens.folding import phrases
from gradclip_cli.render.screens.line import Line, dim, line, strong
from gradclip_cli.render.screens.room import Room
from gradclip_cli.render.tables.grid import dump_name, near_one, step_number
from gradclip_cli.reports.diff import DiffBlock, DiffFirst, DiffReport, DiffStep
from gradclip_cli.text import plural, printable, ranges
from gradclip_cli.thresholds.samples import median

_MOST_STEPS, _MOST_BLOCKS = 4, 5
"""The most steps and blocks in the tables."""

_CHARTED = 7
"""A run of more steps has a chart."""

_LISTED, _MOST_LISTED = 3, 6
"""The most tensors that are named at the first step, and the most ranges of steps that only one run has."""


def of_runs(report: DiffReport, room: Room) -> Iterator[Line]:
    """Yield the answer first: how many steps differ, and the first of them."""
    steps = report.steps or []
    both = [step for step in steps if step.input_a is not None and step.input_b is not None]
    if report.equal:
        if report.source is not None:
            yield line(strong("equal"), f": {plural(len(both), 'step')} of {printable(report.column or '')}")
            return
        size = f"{plural(len(both), 'step')} of {plural(len(report.params), 'tensor')}"
        yield line(strong("equal"), f": {size}, {plural(report.elements, 'value')}")
        return
    yield from _head(report, both, room)
    if any(not step.equal for step in both) and any(param.status in ("same", "differs") for param in report.params):
        yield ()
        yield from _chart(both, room)
        yield from _steps(report, both, room)
        if report.blocks is not None:
            yield ()
            yield from _blocks(report, room)
    counts = [f"--by step ({len(steps):,}),"]
    counts += [f"--by block ({len(report.blocks):,}),"] if report.blocks is not None else []
    yield from phrases(["more:", *counts, f"--by param ({len(report.params):,}),", "-f json"], room, style="dim")


def _head(report: DiffReport, both: Sequence[DiffStep], room: Room) -> Iterator[Line]:
    a, b = map(printable, report.inputs)
    yield from phrases([f"{a} (a)", f"and {b} (b):"], room, indent=0)
    differing, params = [step for step in both if not step.equal], report.params
    yield from phrases(answer(report, both), room, indent=0, join=", ", style="strong")
    for side, status in (("a", "only-a"), ("b", "only-b")):
        if lone := [step for step in report.steps or [] if step.status == status]:
            yield from phrases([f" only in {side}  {plural(len(lone), 'step')}:", *_steps_of(lone)], room, 0, hang=12)
    number = Counter(param.status for param in params)
    apart = [f"{number[status]:,} {words}" for status, words in APART.items() if number[status]]
    if apart:
        yield line(f" tensors    {', '.join(apart)}")
    yield from _first(report, room)
    yield from _spread("ratio b/a", [(step.norm_ratio, step) for step in differing], room)
    yield from _spread("cosine", [(step.cosine, step) for step in differing], room)


def answer(report: DiffReport, both: Sequence[DiffStep]) -> list[str]:
    """Say how many steps differ, since when, and in how many tensors; or that no tensor is in both runs."""
    differing, params = [step for step in both if not step.equal], report.params
    if not differing:
        return [f"{plural(len(both), 'step')} of {plural(len(params), 'tensor')} equal, others not in both"]
    examples = [next((row.name for row in params if row.status == f"only-{side}"), None) for side in "ab"]
    if all(examples) and all(row.status in ("only-a", "only-b") for row in params):
        names = [printable(name or "") for name in examples]
        return ["no tensor has the same name in both", f"such as {names[0]} in a", f"{names[1]} in b"]
    count, noun = sum(param.status != "same" for param in params), "tensor" if report.source is None else "norm"
    parts = [f"{_of(len(differing), len(both))} {'step differs' if len(both) == 1 else 'steps differ'}"]
    if report.first is not None and len(differing) < len(both):
        name = named(report.first, "step ")
        parts += [f"from {name} on" if both[-len(differing) :] == differing else f"the first is {name}"]
    return (
        [*parts, f"in {_of(count, len(params))} {noun if len(params) == 1 else f'{noun}s'}"]
        if len(params) > 1 or report.source is None
        else parts
    )


def _of(some: int, every: int) -> str:
    """Count some of a number of things; all of them only once.

    >>> _of(3, 60), _of(60, 60), _of(1, 1)
    ('3 of 60', 'all 60', 'the only')
    """
    return f"{some:,} of {every:,}" if some < every else "the only" if every == 1 else f"all {every:,}"


def _first(report: DiffReport, room: Room) -> Iterator[Line]:
    """Yield the tensors that differ at the first step that does, unless these are all."""
    first = report.first
    if first is None or len(first.params) == len(report.params):
        return
    names = listed(first.params, _LISTED, room, 12)
    where = f"at {named(first, 'step ')}, {plural(len(first.params), 'tensor' if report.source is None else 'norm')}:"
    yield from phrases([f" first      {where}", *names], room, 0, hang=12)


def _steps_of(steps: Sequence[DiffStep]) -> list[str]:
    """List steps as ranges, or by their names; at most a few of them."""
    numbers = [step.step for step in steps if step.step is not None and step.label == str(step.step)]
    parts = ranges(numbers).split(", ") if len(numbers) == len(steps) else list(map(named, steps))
    return in_words(parts, _MOST_LISTED)


def _spread(name: str, values: Sequence[tuple[float | None, DiffStep]], room: Room) -> Iterator[Line]:
    """Yield the median, the least and the greatest of a figure over the steps that differ."""
    known = [(value, step) for value, step in values if value is not None and math.isfinite(value)]
    if not known:
        return
    least, most = min(known, key=lambda pair: pair[0]), max(known, key=lambda pair: pair[0])
    middle = near_one(median([value for value, _ in known]))
    if least[0] == most[0]:
        yield line(f" {name:<9}  {middle}")
        return
    ends = [
        f"from {near_one(least[0])} ({named(least[1], 'step ')})",
        f"to {near_one(most[0])} ({named(most[1], 'step ')})",
    ]
    yield from phrases([f" {name:<9}  median {middle},", *ends], room, 0, hang=12)


def _chart(both: Sequence[DiffStep], room: Room) -> Iterator[Line]:
    """Yield the difference of each step as bars, where there are more steps than the table shows."""
    values = [_bar(step) for step in both]
    if len(both) <= _CHARTED or not any(value and math.isfinite(value) for value in values if value is not None):
        return
    size = math.ceil(len(both) / room.width)
    scale = ["log scale,", f"{size} steps a bar"] if size > 1 else ["log scale"]
    yield from phrases(["|a-b| over the smaller norm,", "step by step,", *scale], room, indent=0, style="strong")
    bars = sparkline(values, room.width, room.unicode)
    yield line(bars)
    first, last = named(both[0]), named(both[-1])
    yield line(dim(f"{first}{last:>{max(len(last) + 1, len(bars) - len(first))}}"))
    yield ()


def _bar(step: DiffStep) -> float | None:
    """Return the height of a bar: none for a step that is equal."""
    return None if step.equal else step.rel_diff


def _steps(report: DiffReport, both: Sequence[DiffStep], room: Room) -> Iterator[Line]:
    differing = [step for step in both if not step.equal]
    most = room.most(_MOST_STEPS)
    some = len(differing) > most
    differing = by_difference(differing) if some else differing
    count = sum(param.status != "same" for param in report.params)
    counted = any(step.differing != count for step in differing)  # the head says how many if that is the same in all
    table = Table(room, "steps that differ most" if some else "steps that differ", ("tensors",) if counted else ())
    table.leave_out(("cosine",) if report.source is not None else ())  # of norms there is none
    for step in differing[:most]:
        table.add(named(step), step, more=(f"{step.differing or 0:,}",) if counted else ())
    yield from table.lines()


class _Worst(NamedTuple):
    """The figures of a block at the step at which it differs most."""

    block: DiffBlock
    norm_a: float | None
    norm_b: float | None
    norm_ratio: float | None
    cosine: float | None
    rel_diff: float | None


def _blocks(report: DiffReport, room: Room) -> Iterator[Line]:
    """Yield the blocks that differ most; all steps as one would hide what is true of each."""
    rows = [_at_worst(block) for block in report.blocks or [] if block.differing]
    differing = by_difference(rows)
    shown = differing[: room.most(_MOST_BLOCKS)]
    most = " most" if len(differing) > len(shown) else ""
    yield line(strong(f" blocks that differ{most}, each at its worst step"))
    start = report.first.step if report.first is not None else None
    later = any(row.block.first_step != start for row in rows)  # a column for what is not in the head
    table = Table(room, "block", ("first", "at step") if later else ("at step",))
    for row in shown:
        first, worst = step_number(row.block.first_step), step_number(row.block.worst_step)
        table.add(row.block.block, row, more=(first, worst) if later else (worst,))
    yield from table.lines()


def _at_worst(block: DiffBlock) -> _Worst:
    figures = block.worst_norm_a, block.worst_norm_b, block.worst_ratio, block.worst_cosine, block.worst_rel_diff
    return _Worst(block, *figures)


def named(step: DiffStep | DiffFirst, word: str = "") -> str:
    """Name a step as tables do: by its number, or by what stands for it."""
    name = step.label if step.label and step.label != str(step.step) else None
    return dump_name(step.step, name, step.input_a or step.input_b or "", word)
