"""Draw charts with characters: a line of bars for each layer, and a histogram of the dumps."""

import math
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from gradclip_cli.render.charts.data import LogScale, bars, bins, marks, run_scale
from gradclip_cli.render.tables.grid import figure, layer_name
from gradclip_cli.render.tables.plain import Escape, cells
from gradclip_cli.text import plural

if TYPE_CHECKING:
    from gradclip_cli.reports.stats import StatsReport

BARS = {True: "▁▂▃▄▅▆▇█", False: ".:-=+*#@"}
"""The characters for bars of growing height, in Unicode and in ASCII."""

_NAME = 30
"""The greatest width of a name that is not cut, in cells."""

Shorten = Callable[[Sequence[str], int], list[str]]
"""Shortens the names of a column to a width in cells."""

_HEIGHT = 5
"""The height of a histogram in lines."""


def lines(
    report: "StatsReport",
    kinds: frozenset[str],
    width: int,
    unicode: bool,
    escape: Escape = str,
    shorten: Shorten | None = None,
) -> Iterator[str]:
    """Yield the lines of the charts of the given kinds, each at most `width` wide; a single dump has none.

    `escape` replaces characters of names that the stream cannot encode, `shorten` long names; without it they stay whole, and
    lines are as much wider.
    """
    if len(report.dumps) < 2:
        return
    if "layer" in kinds:
        layers = report.series.layers.norms if report.series and report.series.layers else ()
        missing = "; a gap is missing" if any(None in values for values in layers) else ""
        yield f"norm of each layer over its median, step by step (one log scale; ! is not finite{missing})"
        names = [escape(layer_name(row.layer, report.labels)) for row in report.layers]
        room = width if shorten else width + max(0, max(map(cells, names), default=0) - _NAME)
        names = shorten(names, _NAME) if shorten else names
        yield from _sparklines(report, names, room, unicode)
        yield ""
    norms = [dump.norm for dump in report.dumps if math.isfinite(dump.norm)]
    if "total" in kinds and any(norms):
        yield f"norms of {plural(len(norms), 'dump')} (log scale)"
        yield from histogram(norms, marks(report), width, unicode)
        yield ""


def over_median(values: Sequence[float | None]) -> list[float | None]:
    """Divide norms by the median of those that are finite; what is not finite stays, and all do where the median is 0.

    >>> over_median([1.0, 2.0, None, 4.0, float("inf")])
    [0.5, 1.0, None, 2.0, inf]
    """
    finite = sorted(value for value in values if value is not None and math.isfinite(value)) or [1.0]
    usual = finite[(len(finite) - 1) // 2] / 2 + finite[len(finite) // 2] / 2 or 1.0
    return [value if value is None or not math.isfinite(value) else _quotient(value, usual) for value in values]


def _quotient(value: float, usual: float) -> float:
    return min(value / usual, sys.float_info.max)


def sparkline(values: Sequence[float | None], width: int, unicode: bool = True) -> str:
    """Draw values as bars on a log scale, None as a gap; if there are more than fit, each bar is the largest of several.

    >>> sparkline([1, 10, None, 100, float("nan"), 1], 80)
    '▁▅ █!▁'
    """
    return bars_of(values, width, unicode, LogScale.of([value for value in values if value is not None]))


def bars_of(values: Sequence[float | None], width: int, unicode: bool, scale: LogScale) -> str:
    """Draw values as at most `width` bars on a scale: None as a gap, `!` for what is not finite."""
    signs = BARS[unicode]
    return "".join(
        " " if value is None else "!" if math.isnan(value) else signs[scale.place(value, len(signs))]
        for value in bars(values, width)
    )


def histogram(values: Sequence[float], marked: dict[str, float], width: int, unicode: bool = True) -> Iterator[str]:
    """Draw how often values occur on a log scale, with marks below; each line but the last is at most `width` wide."""
    scale = LogScale.of([*values, *marked.values()])
    yield from _columns(bins(values, scale, width), BARS[unicode])
    left, right = map(figure, scale)
    yield f"{left} {('─' if unicode else '-') * (width - len(left) - len(right) - 2)} {right}"
    line = [" "] * width
    for name, value in marked.items():
        line[scale.place(value, width)] = name[0]
    yield "".join(line).rstrip()
    yield ", ".join(f"{name[0]} {name[1:].strip()} {figure(value)}" for name, value in marked.items())


def _columns(counts: Sequence[int], signs: str) -> Iterator[str]:
    """Draw counts as columns, from the top line to the bottom line; the highest count is full."""
    top = max(counts)
    for row in reversed(range(_HEIGHT)):
        heights = [math.ceil(count * _HEIGHT * len(signs) / top) - row * len(signs) for count in counts]
        yield "".join(" " if k <= 0 else signs[min(k, len(signs)) - 1] for k in heights).rstrip()


def _sparklines(report: "StatsReport", names: Sequence[str], width: int, unicode: bool) -> Iterator[str]:
    if report.series is None or report.series.layers is None:
        return
    column, rows = max(map(cells, names), default=0), report.series.layers.norms
    ends = [_ends(values) for values in rows]
    room = max(10, width - column - max(map(len, ends), default=0) - 4)
    ratios = [bars(over_median(values), room) for values in rows]
    scale = run_scale(ratios)
    for name, values, end in zip(names, ratios, ends, strict=True):
        yield f"{name}{' ' * (column - cells(name))}  {bars_of(values, room, unicode, scale)}  {end}"


def _ends(values: Sequence[float | None]) -> str:
    """Return the smallest and the largest finite value, zeros too, which a log scale cannot show."""
    finite = [value for value in values if value is not None and math.isfinite(value)]
    return f"{figure(min(finite))} to {figure(max(finite))}" if finite else "none is finite"
