"""Show the norm of the dumps on the screen of `stats`: its figures, and a line of bars over the steps with a ruler."""

import math
from collections.abc import Iterator, Sequence

from gradclip_cli.render.charts.characters import bars_of, over_median
from gradclip_cli.render.charts.data import run_scale
from gradclip_cli.render.screens.line import Line, line
from gradclip_cli.render.screens.room import Room
from gradclip_cli.render.tables.grid import dump_name, figure, norm_name
from gradclip_cli.reports.stats import StatsReport

FEWEST = 3
"""Fewer dumps than this are not drawn."""

_APART = 10
"""The least distance of two numbers of a ruler, in characters."""

_MOVES = ("falls", "rises", "steps")
"""The kinds of trends that are told."""


def lines(report: StatsReport, room: Room) -> Iterator[Line]:
    """Yield the figures, the bars and the ruler."""
    total = report.total
    name = norm_name(report.norm_type)
    if not total.count:
        yield line(f"{name}   none is finite")
    else:
        parts = [
            f"median {figure(total.median)}",
            f"p90 {figure(total.p90)}",
            f"max {figure(total.max)}{_at_top(report)}",
        ]
        yield from _joined([name, *parts], _trend(report), room)
    norms = [dump.norm for dump in report.dumps]
    if len(norms) < FEWEST:
        return
    width = min(room.width, len(norms))
    ratios = over_median(norms)
    yield line(bars_of(ratios, width, room.unicode, run_scale([ratios])))
    if ruled := ruler([dump.step for dump in report.dumps], width):
        yield line(ruled)


def _joined(parts: list[str], trend: list[str], room: Room) -> Iterator[Line]:
    """Yield the figures on one line; the trend has a line of its own where there is no room."""
    whole = "   ".join([*parts, *trend])
    if room.whole or len(whole) <= room.width:
        yield line(whole)
        return
    yield line("   ".join(parts))
    yield from (line(f"{' ' * len(parts[0])}   {one}") for one in trend)


def _at_top(report: StatsReport) -> str:
    """Say at which step the norm is largest."""
    top = max((dump for dump in report.dumps if math.isfinite(dump.norm)), key=lambda dump: dump.norm)
    return f" ({dump_name(top.step, top.name, top.input)})"


def _trend(report: StatsReport) -> list[str]:
    way = report.trend
    if way is None or way.kind not in _MOVES:
        return []
    return [f"{way.kind} from {_short(way.start)} to {_short(way.end)}"]


def _short(value: float) -> str:
    """Format a level with two digits, or with all of those before the point."""
    return f"{value:.0f}" if 10 <= value < 10_000 else f"{value:.2g}"


def ruler(steps: Sequence[int | None], width: int) -> str:
    """Return the numbers of steps below their bars, that of the last step at the end; an empty text where steps have none.

    >>> ruler(list(range(25)), 25), ruler([0, 100, 200], 3)
    ('0         10        20 24', '0 200')
    """
    if None in steps:
        return ""
    each = math.ceil(len(steps) / width)
    apart = max(_APART, -(-(max(len(str(step)) for step in steps) + 2) // _APART) * _APART)
    count, last = math.ceil(len(steps) / each), str(steps[-1])
    end = max(count - len(last), 0)
    texts = {at: str(steps[at * each]) for at in range(0, count, apart)}
    found = ""
    for at, text in texts.items():
        if not at or at + len(text) < end:
            found += " " * (at - len(found)) + text
    return found if count == 1 else f"{found}{' ' * max(1, end - len(found))}{last}"
