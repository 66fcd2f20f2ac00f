"""Norms to look at rather than to read: a line of bars for each layer, and a histogram of the dumps."""

import math
from collections.abc import Iterator, Sequence

from gradclip_cli.render.cells import cells
from gradclip_cli.render.charset import Escape
from gradclip_cli.render.grid import figure, named
from gradclip_cli.report import StatsReport
from gradclip_cli.text import count

_BARS = {True: "▁▂▃▄▅▆▇█", False: ".:-=+*#@"}
_NAME = 30
_HEIGHT = 5
GLOBAL = "clip-by-global-norm"
"""The strategy that compares the norms of dumps."""


def pictures(
    report: StatsReport, kinds: frozenset[str], width: int, unicode: bool, escape: Escape = str, *, whole: bool = False
) -> Iterator[str]:
    """Yield the lines of the pictures that are wanted of a series; `escape` makes names what the stream can say.

    Long names are cut, unless they have to be `whole`.
    """
    if len(report.dumps) < 2:
        return
    if "layer" in kinds:
        yield "norm of each layer, step by step (log scale; ! is not finite)"
        names = [escape(named(row.layer, report.labels)) for row in report.layers]
        room = width + max(0, max(map(cells, names), default=0) - _NAME) if whole else width
        yield from _sparklines(report, names if whole else _cut(names), room, unicode)
        yield ""
    norms = [dump.norm for dump in report.dumps if math.isfinite(dump.norm)]
    if "total" in kinds and any(norms):
        yield f"norms of {count(len(norms), 'dump')} (log scale)"
        yield from histogram(norms, _marks(report), width, unicode)
        yield ""


def sparkline(values: Sequence[float], width: int, unicode: bool = True) -> str:
    """Draw values as bars on a log scale; of more values than fit, each bar is the largest of several.

    >>> sparkline([1, 10, 100, float("nan"), 1], 80)
    '▁▅█!▁'
    """
    bars = _BARS[unicode]
    size = math.ceil(len(values) / max(1, width))
    buckets = [values[k : k + size] for k in range(0, len(values), size)]
    low, high = _bounds(values)
    return "".join(
        "!" if not all(map(math.isfinite, bucket)) else bars[_place(max(bucket), low, high, len(bars))]
        for bucket in buckets
    )


def histogram(values: Sequence[float], marks: dict[str, float], width: int, unicode: bool = True) -> Iterator[str]:
    """Draw how often values occur, on a log scale, with `marks` below it; each line is at most `width` wide."""
    low, high = _bounds([*values, *marks.values()])
    counts = [0] * width
    for value in values:
        counts[_place(value, low, high, width)] += 1
    bars, top = _BARS[unicode], max(counts)
    for row in reversed(range(_HEIGHT)):
        eighths = [math.ceil(count * _HEIGHT * len(bars) / top) - row * len(bars) for count in counts]
        yield "".join(" " if k <= 0 else bars[min(k, len(bars)) - 1] for k in eighths).rstrip()
    left, right = figure(low), figure(high)
    yield f"{left} {('─' if unicode else '-') * (width - len(left) - len(right) - 2)} {right}"
    line = [" "] * width
    for name, value in marks.items():
        line[_place(value, low, high, width)] = name[0]
    yield "".join(line).rstrip()
    yield ", ".join(f"{name[0]} {name[1:].strip()} {figure(value)}" for name, value in marks.items())


def _sparklines(report: StatsReport, names: Sequence[str], width: int, unicode: bool) -> Iterator[str]:
    column = max(map(cells, names), default=0)
    for name, values in zip(names, report.series, strict=True):
        finite = [value for value in values if math.isfinite(value)]  # zeros too, which have no place of their own
        ends = f"{figure(min(finite))} to {figure(max(finite))}" if finite else "none is finite"
        bars = sparkline(values, max(10, width - column - len(ends) - 4), unicode)
        yield f"{name}{' ' * (column - cells(name))}  {bars}  {ends}"


def _cut(names: Sequence[str]) -> list[str]:
    """Leave out of long names what all of them begin and end with, and then the middle.

    >>> _cut(["model.transformer.layers.0.fc.lora.default", "model.transformer.layers.1.fc.lora.default"])
    ['..0..', '..1..']
    """
    if len(names) > 1 and max(map(cells, names)) > _NAME:
        start = _shared(names)
        end = _shared([name[start:][::-1] for name in names])
        names = [f"{'..' if start else ''}{name[start : len(name) - end]}{'..' if end else ''}" for name in names]
    return [name if cells(name) <= _NAME else f"{name[: _NAME // 2 - 1]}..{name[1 - _NAME // 2 :]}" for name in names]


def _shared(names: Sequence[str]) -> int:
    """Return the length of what all names begin with, up to the last separator in it."""
    first, last = min(names), max(names)  # what these two begin with, all do
    same = next((k for k, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    return max(first.rfind(".", 0, same), first.rfind("/", 0, same)) + 1


def _marks(report: StatsReport) -> dict[str, float]:
    """What is marked below the histogram: a letter, and what it stands for."""
    total = report.total
    marks = {"m median": total.median, "9 p90": total.p90, "M mean": total.mean}
    chosen = next((row for row in report.suggestions if row.strategy == GLOBAL), None)
    if chosen is not None and chosen.threshold is not None:
        marks[f"T threshold by {chosen.rule}"] = chosen.threshold
    told = report.advised
    if told is not None and told.threshold is not None and told.doubtful and told.strategy == GLOBAL:
        marks[f"A advised, {told.rule}"] = told.threshold
    return marks


def _bounds(values: Sequence[float]) -> tuple[float, float]:
    """The smallest and the largest of the values that have a place on a log scale."""
    placed = [value for value in values if 0 < value < math.inf]
    return min(placed, default=1.0), max(placed, default=1.0)


def _place(value: float, low: float, high: float, count: int) -> int:
    """Which of `count` places a value has between two others; zeros stand with the smallest."""
    span = math.log(high) - math.log(low)  # 0 for neighbours among the float64 too
    if value <= low or span <= 0:
        return 0
    share = (math.log(value) - math.log(low)) / span
    return min(count - 1, max(0, round(share * (count - 1))))
