"""Say in one line each what stands out in a series: NaN, explosions and what rose first, what vanishes."""

import math
from collections.abc import Iterator
from textwrap import wrap

from gradclip_cli.render.screens.columns import aligned, width_of
from gradclip_cli.render.screens.line import Line, Span, bad, warn
from gradclip_cli.render.screens.names import shortened
from gradclip_cli.render.screens.room import Room
from gradclip_cli.render.tables.grid import figure
from gradclip_cli.render.tables.plain import cells
from gradclip_cli.reports.stats import StatsReport
from gradclip_cli.reports.stats_thresholds import Ranges
from gradclip_cli.text import plural, printable

_LARGE, _LARGEST = 100, 1_000_000
"""Multiples between these are written out."""

_BEFORE, _NARROWEST = 14, 12
"""The cells before a finding, but for when it is, and the least width of a name."""

_WIDE = 60
"""The greatest width of a list of steps."""

Row = tuple[Span, str, str]
"""The kind of a finding, when, and what."""


def lines(report: StatsReport, room: Room) -> Iterator[Line]:
    """Yield the findings in columns, the worst first."""
    rows = [*_nonfinite(report, room), *_exploding(report), *_growing(report), *_vanishing(report)]
    if not rows:
        return
    if not any(when for _, when, _ in rows):
        rows = [(Span(f"{kind.text}", kind.style), "", what) for kind, _, what in rows]
    before = width_of([(kind, when, "") for kind, when, _ in rows])
    folded = [
        (kind if first else Span(""), when if first else "", part)
        for kind, when, what in rows
        for first, part in ([(True, what)] if room.whole else _folded(what, max(20, room.width - before)))
    ]
    yield from aligned(folded, [False] * 3)


def _folded(text: str, width: int) -> Iterator[tuple[bool, str]]:
    """Yield the lines of a sentence, each with whether it is the first; two blanks stay where they are."""
    kept = wrap(text.replace("  ", "\N{NO-BREAK SPACE} "), width, break_long_words=False, break_on_hyphens=False)
    for number, part in enumerate(kept):
        yield not number, part.replace("\N{NO-BREAK SPACE}", " ")


def _nonfinite(report: StatsReport, room: Room) -> Iterator[Row]:
    """Name the last tensor of the first dump that is not finite: gradients flow from the last layer to the first."""
    if not report.nonfinite:
        return
    first = report.nonfinite[0]
    together = sum(one.input == first.input and one.step == first.step for one in report.nonfinite)
    several = f"{together:,} of {plural(len(report.params), 'tensor')}, the last " if together > 1 else ""
    dumps = sum(dump.nonfinite > 0 for dump in report.dumps) - 1
    more = f"; and {plural(dumps, 'more step')}" if dumps else ""
    count = first.nan + first.posinf + first.neginf
    where = f"  {count:,} of {first.elements:,}{f', at {first.index}' if first.index else ''}{more}"
    when, name = _when(first.step, len(report.dumps)), printable(first.name)
    taken = _BEFORE + len(when) + len(several) + len(where)
    if not room.whole and taken + cells(name) > room.width:
        name = shortened([name], max(_NARROWEST, room.width - taken), room.mark)[0]
    yield bad("NaN" if first.nan else "Inf"), when, f"{several}{name}{where}"


def _when(step: int | None, dumps: int) -> str:
    return f"step {step}" if step is not None and dumps > 1 else ""


def _exploding(report: StatsReport) -> Iterator[Row]:
    high = report.exploding
    if high is None:
        return
    told = f"norm {figure(high.norm)}, {times(high.times)} its neighbours"
    others = f"; {high.count} steps in all: {steps_text(high.steps, 30)}" if high.count > 1 and high.steps else ""
    yield bad("exploding"), _when(high.step, 2), f"{told}{_first(report)}{_row(report)}{others}"


def _row(report: StatsReport) -> str:
    """Name the row or the expert that holds most of the leading tensor of that step."""
    peak, high = report.peak, report.exploding
    if peak is None or high is None or peak.slice is None or peak.input != high.input or peak.step != high.step:
        return ""
    return f"; row {peak.slice:,} of {printable(peak.name)} holds {100 * (peak.share or 0):.0f} % of its square"


def _first(report: StatsReport) -> str:
    """Say what rose first, and when."""
    first = report.first
    if first is None or len(report.blocks) < 2:
        return ""
    when = f" at {first.step}" if first.step is not None and first.step != first.at else ""
    if not first.names:
        return f"; several {'layers' if report.blocks_are_layers else 'blocks'} at once{when}"
    more = f" and {len(first.names) - 1} more" if len(first.names) > 1 else ""
    much = f" ({times(first.times[0])})" if math.isfinite(first.times[0]) else ""
    return f"; first {printable(first.names[0])}{more}{when}{much}"


def _growing(report: StatsReport) -> Iterator[Row]:
    if not report.growing:
        return
    first = report.growing[0]
    since = "" if first.since is None else f"from {first.since}"
    others = f"; and {len(report.growing) - 1:,} more" if len(report.growing) > 1 else ""
    levels = f"from {figure(first.start)} to {figure(first.end)}"
    yield warn("growing"), since, f"{printable(first.block)}, {levels}{others}"


def _vanishing(report: StatsReport) -> Iterator[Row]:
    small = report.vanishing
    if small is None:
        return
    blocks = block_ranges(small.blocks)
    named = ", ".join(blocks[:2]) + (f" and {len(blocks) - 2} more" if len(blocks) > 2 else "")
    when = "always" if len(report.dumps) > 1 else ""
    yield warn("vanishing"), when, f"{printable(named)}, {plural(small.tensors, 'tensor')}, norms of {small.norm:.0e}"


def times(value: float) -> str:
    """Format a multiple.

    >>> times(18.6), times(2.345), times(1234.5), times(1e9)
    ('19 x', '2.3 x', '1,200 x', '1e+09 x')
    """
    rounded = float(f"{value:.2g}")
    return f"{rounded:,.0f} x" if _LARGE <= rounded < _LARGEST else f"{rounded:.2g} x"


def steps_text(steps: Ranges | None, width: int = _WIDE) -> str:
    """List ranges of steps in at most `width` characters, and count those that do not fit.

    >>> steps_text([(0, 4), (7, 7), (41, 41)], 20), steps_text([(0, 4), (7, 7), (41, 41)], 14)
    ('0-4, 7, 41', '0-4, 7, 41')
    >>> steps_text([(0, 4), (17, 17), (41, 41), (43, 43)], 14)
    '0-4, 3 more'
    """
    if steps is None:
        return "-"
    texts = [str(first) if first == last else f"{first}-{last}" for first, last in steps]
    for kept in range(len(texts), 0, -1):
        left = [f"{len(texts) - kept} more"] if kept < len(texts) else []
        found = ", ".join([*texts[:kept], *left])
        if len(found) <= width:
            return found
    return f"{len(texts)} ranges" if len(texts) > 1 else "".join(texts)


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
