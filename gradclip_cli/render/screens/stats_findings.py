"""Say in one line each what stands out in a series: NaN, explosions and what rose first, what vanishes."""

import math
from collections.abc import Iterator

from gradclip_cli.inputs.slices import slice_word
from gradclip_cli.render.screens.folding import in_lines
from gradclip_cli.render.screens.line import Line, Span, aligned, bad, line, warn, width_of
from gradclip_cli.render.screens.names import shortened
from gradclip_cli.render.screens.room import Room
from gradclip_cli.render.tables.grid import dump_name, figure, file_name, layer_name
from gradclip_cli.render.tables.plain import cells
from gradclip_cli.reports.check import FirstRise
from gradclip_cli.reports.stats import StatsReport
from gradclip_cli.reports.stats_findings import Exploding, NonfiniteTensor
from gradclip_cli.text import percent, plural, printable, steps_text, times

_MOST_WHEN = 24
"""The greatest width of the name of a file on a terminal."""

Row = tuple[Span, str, str]
"""The kind of a finding, when, and what."""


def lines(report: StatsReport, room: Room) -> Iterator[Line]:
    """Yield the findings in columns, the worst first."""
    rows = found(report)
    if not rows:
        return
    dated = any(when for _, when, _ in rows)
    columns: list[list[str | Span]] = [[kind, *([_fitted(when, room)] if dated else []), ""] for kind, when, _ in rows]
    before = width_of(columns)
    for head, (_, _, what) in zip(aligned(columns, [False] * len(columns[0])), rows, strict=True):
        yield from _beside(head, what, before, room)


def found(report: StatsReport) -> list[Row]:
    """Return what stands out, the worst first."""
    return [*_nonfinite(report), *_exploding(report), *_growing(report), *_vanishing(report)]


def _fitted(when: str, room: Room) -> str:
    return when if room.whole else shortened([when], _MOST_WHEN, room.mark)[0]


def _beside(head: Line, what: str, before: int, room: Room) -> Iterator[Line]:
    """Yield a sentence beside its head of `before` cells; a name that is too wide there has a line of its own below it."""
    if room.whole:
        yield line(*head, what)
        return
    left = room.width - before
    for number, part in enumerate(in_lines(what, left)):
        wide = cells(part) > left
        if wide and not number:
            yield head
        margin = " " * max(1, min(before, room.width - cells(part)))
        yield line(margin, part) if wide or number else line(*head, part)


def _nonfinite(report: StatsReport) -> Iterator[Row]:
    """Name the last tensor of the first dump that is not finite: gradients flow from the last layer to the first."""
    if not report.nonfinite:
        return
    first = report.nonfinite[0]
    together = sum(one.input == first.input and one.step == first.step for one in report.nonfinite)
    several = f"{together:,} of {plural(len(report.params), 'tensor')}, the last " if together > 1 else ""
    kind = "NaN" if first.nan else "Inf"
    count = first.nan + first.posinf + first.neginf
    where = (
        f"  {count:,} of {first.elements:,}{f', at {first.index}' if first.index else ''}{_more_steps(kind, report)}"
    )
    yield bad(kind), _when(first, report), f"{several}{printable(first.name)}{where}"


def _more_steps(kind: str, report: StatsReport) -> str:
    """Count the steps that are not finite beside the first, which is of a kind, and those of the other kind."""
    norms = [dump.norm for dump in report.dumps if dump.nonfinite]
    if len(norms) < 2:
        return ""
    other = "Inf" if kind == "NaN" else "NaN"
    number = sum(math.isinf(norm) == (other == "Inf") for norm in norms[1:])
    which = "" if not number else f", {other}" if number == len(norms) - 1 else f", {number:,} of them {other}"
    return f"; and {plural(len(norms) - 1, 'more step')}{which}"


def _when(one: NonfiniteTensor | Exploding, report: StatsReport) -> str:
    """Say in which dump: its step, or else its file; nothing of a single dump."""
    if len(report.dumps) == 1:
        return ""
    return dump_name(one.step, _name_of(one, report), one.input)


def _name_of(one: NonfiniteTensor | Exploding | FirstRise, report: StatsReport) -> str | None:
    """Return the name that stands for the running number of a dump."""
    return next((dump.name for dump in report.dumps if dump.step == one.step and dump.input == one.input), None)


def _exploding(report: StatsReport) -> Iterator[Row]:
    high = report.exploding
    if high is None:
        return
    told = f"norm {figure(high.norm)}, {times(high.times)} its neighbours"
    yield bad("exploding"), _when(high, report), f"{told}{_first(report)}{_row(report)}{_others(high, report)}"


def _others(high: Exploding, report: StatsReport) -> str:
    """Say how many dumps explode beside the highest, and which."""
    if high.count < 2:
        return ""
    steps = steps_text(high.steps, numbers(report), 30) if high.steps else ""
    return f"; {high.count} steps in all: {steps}" if steps else f"; {high.count} dumps in all"


def numbers(report: StatsReport) -> list[int]:
    """Return the steps of the dumps that have one."""
    return [dump.step for dump in report.dumps if dump.step is not None]


def _row(report: StatsReport) -> str:
    """Name the row or the expert that holds most of the leading tensor of that step."""
    peak, high = report.peak, report.exploding
    if peak is None or high is None or peak.slice is None or peak.input != high.input or peak.step != high.step:
        return ""
    what = slice_word(peak.name, len(peak.index))
    return f"; {what} {peak.slice:,} of {printable(peak.name)} holds {percent(peak.share)} of its square"


def _first(report: StatsReport) -> str:
    """Say what rose first, and when."""
    first = report.first
    if first is None or len(report.blocks) < 2:
        return ""
    when = ""
    if first.step is not None and first.step != first.at:
        when = f" at {dump_name(first.step, _name_of(first, report), first.input, word='')}"
    if first.step is None and report.exploding is not None and first.input != report.exploding.input:
        when = f" in {file_name(first.input)}"
    if not first.names:
        return f"; several {report.block_noun}s at once{when}"
    more = f" and {len(first.names) - 1} more" if len(first.names) > 1 else ""
    much = f" ({times(first.times[0])})" if math.isfinite(first.times[0]) else ""
    return f"; first {layer_name(first.names[0], report.labels)}{more}{when}{much}"


def _growing(report: StatsReport) -> Iterator[Row]:
    if not report.growing:
        return
    first = report.growing[0]
    since = "" if first.since is None else f"from {first.since}"
    others = f"; and {len(report.growing) - 1:,} more" if len(report.growing) > 1 else ""
    levels = f"from {figure(first.start)} to {figure(first.end)}"
    yield warn("growing"), since, f"{layer_name(first.block, report.labels)}, {levels}{others}"


def _vanishing(report: StatsReport) -> Iterator[Row]:
    small = report.vanishing
    if small is None:
        return
    blocks = [layer_name(name, report.labels) for name in block_ranges(small.blocks)]
    named = ", ".join(blocks[:2]) + (f" and {len(blocks) - 2} more" if len(blocks) > 2 else "")
    when = "always" if len(report.dumps) > 1 else ""
    yield warn("vanishing"), when, f"{named}, {plural(small.tensors, 'tensor')}, norms of {small.norm:.0e}"


def block_ranges(names: list[str]) -> list[str]:
    """Join names that end in numbers that follow each other.

    >>> block_ranges(["model.layers.0", "model.layers.1", "model.layers.4", "head"])
    ['model.layers.0-1', 'model.layers.4', 'head']
    """
    found: list[tuple[str, int | None, int | None]] = []
    for name in names:
        stem = name.rstrip("0123456789")
        number = int(name[len(stem) :]) if len(stem) < len(name) <= len(stem) + 9 else None
        last = found[-1] if found else None
        if last and number is not None and last[0] == stem and last[2] is not None and last[2] + 1 == number:
            found[-1] = (stem, last[1], number)
        else:
            found.append((stem if number is not None else name, number, number))
    return [
        stem if first is None else f"{stem}{first}" if first == last else f"{stem}{first}-{last}"
        for stem, first, last in found
    ]
