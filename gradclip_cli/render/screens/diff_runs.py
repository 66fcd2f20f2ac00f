"""The screen of `diff` for two runs: when they part, how far apart each step is, and the blocks that differ most."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import median

from gradclip_cli.render.charts.characters import sparkline
from gradclip_cli.render.screens.differences import APART, Table, by_difference, folded, in_words, listed, near_one
from gradclip_cli.render.screens.line import Line, dim, line, strong
from gradclip_cli.render.screens.room import Room
from gradclip_cli.reports.diff import DiffReport, DiffStep
from gradclip_cli.text import plural, printable, ranges

_MOST_STEPS, _MOST_BLOCKS = 7, 8
"""The most steps and blocks in the tables."""

_LISTED, _MOST_LISTED = 3, 6
"""The most tensors that are named at the first step, and the most ranges of steps that only one run has."""


def of_runs(report: DiffReport, room: Room) -> Iterator[Line]:
    """Yield the answer first: how many steps differ, and the first of them."""
    steps = report.steps or []
    both = [step for step in steps if step.input_a is not None and step.input_b is not None]
    if report.equal:
        size = f"{plural(len(both), 'step')} of {plural(len(report.params), 'tensor')}"
        yield line(strong("equal"), f": {size}, {plural(report.elements, 'value')}")
        return
    yield from _head(report, both, room)
    if any(not step.equal for step in both) and any(param.status in ("same", "differs") for param in report.params):
        yield ()
        yield from _chart(both, room)
        yield from _steps(both, room)
        yield ()
        yield from _blocks(report, room)
    yield line(dim(f" all: --by step ({len(steps):,}), --by block, --by param ({len(report.params):,}), -f json"))


def _head(report: DiffReport, both: Sequence[DiffStep], room: Room) -> Iterator[Line]:
    a, b = map(printable, report.inputs)
    yield from folded([f"{a} (a)", f"and {b} (b):"], room, indent=0)
    differing, params = [step for step in both if not step.equal], report.params
    count = sum(param.status != "same" for param in params)
    parts = [f"{len(differing):,} of {plural(len(both), 'step')} differ"]
    parts += [f"in {count:,} of {plural(len(params), 'tensor')}"]
    parts = (
        parts
        if differing
        else [f"{plural(len(both), 'step')} of {plural(len(params), 'tensor')} equal, others not in both"]
    )
    yield from folded(parts, room, indent=0, join=", ", style="strong")
    for side, status in (("a", "only-a"), ("b", "only-b")):
        if lone := [step for step in report.steps or [] if step.status == status]:
            yield from folded([f" only in {side}  {plural(len(lone), 'step')}:", *_steps_of(lone)], room, 0, hang=12)
    number = Counter(param.status for param in params)
    apart = [f"{number[status]:,} {words}" for status, words in APART.items() if number[status]]
    if apart:
        yield line(f" tensors    {', '.join(apart)}")
    if report.first is not None:
        yield from _first(report, room)
    yield from _spread("ratio b/a", [(step.norm_ratio, step) for step in differing], room)
    yield from _spread("cosine", [(step.cosine, step) for step in differing], room)


def _first(report: DiffReport, room: Room) -> Iterator[Line]:
    first = report.first
    if first is None:
        return
    names, every = first.params, len(report.params)
    where = f" part at    {_called(first.step, first.label)}"
    if len(names) == every:
        yield line(where, f", in all of {plural(every, 'tensor')}")
        return
    yield from folded(
        [f"{where}, in {len(names):,} of {plural(every, 'tensor')}:", *listed(names, _LISTED, room, 12)],
        room,
        0,
        hang=12,
    )


def _steps_of(steps: Sequence[DiffStep]) -> list[str]:
    """List steps as ranges, or by their names; at most a few of them."""
    numbers = [step.step for step in steps if step.step is not None and step.label == str(step.step)]
    parts = ranges(numbers).split(", ") if len(numbers) == len(steps) else list(map(_named, steps))
    return in_words(parts, _MOST_LISTED)


def _spread(name: str, values: Sequence[tuple[float | None, DiffStep]], room: Room) -> Iterator[Line]:
    """Yield the median, the least and the greatest of a figure over the steps that differ."""
    known = [(value, step) for value, step in values if value is not None and math.isfinite(value)]
    if not known:
        return
    least, most = min(known, key=lambda pair: pair[0]), max(known, key=lambda pair: pair[0])
    middle = near_one(median(value for value, _ in known))
    if least[0] == most[0]:
        yield line(f" {name:<9}  {middle}")
        return
    ends = [f"from {near_one(least[0])} (step {_named(least[1])})", f"to {near_one(most[0])} (step {_named(most[1])})"]
    yield from folded([f" {name:<9}  median {middle},", *ends], room, 0, hang=12)


def _chart(both: Sequence[DiffStep], room: Room) -> Iterator[Line]:
    """Yield the difference of each step as bars, where there are more steps than the table shows."""
    values = [_bar(step) for step in both]
    if len(both) <= _MOST_STEPS or not any(value and math.isfinite(value) for value in values if value is not None):
        return
    size = math.ceil(len(both) / room.width)
    scale = ["log scale,", f"{size} steps a bar"] if size > 1 else ["log scale"]
    yield from folded(["|a-b| over the smaller norm,", "step by step,", *scale], room, indent=0, style="strong")
    bars = sparkline(values, room.width, room.unicode)
    yield line(bars)
    first, last = _named(both[0]), _named(both[-1])
    yield line(dim(f"{first}{last:>{max(len(last) + 1, len(bars) - len(first))}}"))
    yield ()


def _bar(step: DiffStep) -> float | None:
    """Return the height of a bar: none for a step that is equal."""
    return None if step.equal else step.rel_diff


def _steps(both: Sequence[DiffStep], room: Room) -> Iterator[Line]:
    differing = [step for step in both if not step.equal]
    some = len(differing) > _MOST_STEPS
    differing = by_difference(differing) if some else differing
    table = Table(room, "steps that differ most" if some else "steps that differ", ("tensors",))
    for step in differing[: _MOST_STEPS - some]:
        table.add(_named(step), step, more=(f"{step.differing or 0:,}",))
    yield from table.lines()
    if some:
        yield line(dim(f" {len(differing) - _MOST_STEPS + 1:,} more: --by step"))


def _blocks(report: DiffReport, room: Room) -> Iterator[Line]:
    differing = by_difference([block for block in report.blocks or [] if block.differing])
    some = len(differing) > _MOST_BLOCKS
    table = Table(room, "blocks that differ most" if some else "blocks that differ", ("first", "most at"))
    for block in differing[: _MOST_BLOCKS - some]:
        table.add(block.block, block, more=(_number(block.first_step), _number(block.worst_step)))
    yield from table.lines()
    if some:
        yield line(dim(f" {len(differing) - _MOST_BLOCKS + 1:,} more: --by block"))


def _named(step: DiffStep) -> str:
    return printable(step.label) or _base(step.input_a or step.input_b or "")


def _called(step: int | None, name: str) -> str:
    return f"step {name}" if step is not None and name == str(step) else printable(name) or "the first dump"


def _base(label: str | list[str]) -> str:
    path = label if isinstance(label, str) else label[0]
    return printable(path.rpartition("/")[2])


def _number(step: int | None) -> str:
    return "-" if step is None else str(step)
