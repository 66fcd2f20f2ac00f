"""Gradient flow: the usual norm of each kind of layer by depth, which slopes where gradients vanish or explode on their way back."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gradclip_cli.checks.forward_order import forward_key
from gradclip_cli.render.html.depth import Depth, depths
from gradclip_cli.render.html.norm_axis import NormAxis, drawn
from gradclip_cli.render.html.picture import NumberTable, Picture, View
from gradclip_cli.render.html.theme import NORM, SERIES
from gradclip_cli.render.html.theme import ZERO as GREY
from gradclip_cli.render.tables.grid import figure, layer_name
from gradclip_cli.reports.run import RunReport
from gradclip_cli.reports.stats import StatsReport
from gradclip_cli.text import plural, times
from gradclip_cli.thresholds.base import Summary
from gradclip_cli.thresholds.samples import median

_WIDTH, _HEIGHT = 560, 240

_LEAST_BLOCKS = 3
"""With fewer numbered blocks, layers stand side by side instead of on lines over depth."""

_MOST_BARS = 40
_MOST_ROWS = 200
"""Rows of the table at most."""


class _Point(NamedTuple):
    """A kind of layer at one depth; `median`, `p90` and `max` are of all norms of all its layers there, None if none is finite."""

    kind: str
    place: int
    block: str
    median: float | None
    p90: float | None
    max: float | None


def picture(report: RunReport) -> Picture | None:
    """Draw the median norm of each kind of layer over depth, or of each layer where blocks have no numbers.

    None for one layer, and where no median is above 0.
    """
    stats = report.stats
    if len(stats.layers) < 2:
        return None
    names, summaries = zip(*((row.layer, row.summary) for row in stats.layers), strict=True)
    deep = depths(names)
    in_blocks = len({one.block for one in deep}) >= _LEAST_BLOCKS
    points = _points(deep, summaries) if in_blocks else _points_in_order(names, summaries, stats.labels)
    if not any(one.median for one in points):
        return None
    view = _lines(points, stats, len(names) - len(deep)) if in_blocks else _side_by_side(points, stats)
    return Picture(
        "Gradient flow", _says(points) if in_blocks else _says_layers(points), [view], view, [_table(points)]
    )


def _points_in_order(names: Sequence[str], summaries: Sequence[Summary], labels: dict[str, str]) -> list[_Point]:
    order = sorted(range(len(names)), key=lambda k: forward_key(names[k]))
    return [_point(layer_name(names[k], labels), at, names[k], [summaries[k]]) for at, k in enumerate(order)]


def _points(deep: Sequence[Depth], summaries: Sequence[Summary]) -> list[_Point]:
    several: dict[tuple[str, int, str], list[Summary]] = {}
    for one in deep:
        several.setdefault((one.kind, one.place, one.block), []).append(summaries[one.layer])
    return [_point(*key, found) for key, found in several.items()]


def _point(kind: str, place: int, block: str, several: Sequence[Summary]) -> _Point:
    """Take several layers of one kind and block together: the median of their medians, and the largest of all."""
    found = ((one.median, one.p90, one.max) for one in several)
    known = [(a, b, c) for a, b, c in found if a is not None and b is not None and c is not None and math.isfinite(a)]
    if not known:
        return _Point(kind, place, block, None, None, None)
    medians, p90s, tops = zip(*known, strict=True)
    return _Point(kind, place, block, median(medians), max(p90s), max(tops))


def _values(points: Sequence[_Point], coloured: Sequence[str]) -> list[dict[str, Any]]:
    """Return a value for each point with a median above 0, its norms with five digits."""
    found = []
    for one in points:
        if one.median:
            norms = {name: drawn(norm or 0.0) for name, norm in zip(one._fields[3:], one[3:], strict=True)}
            group = one.kind if one.kind in coloured else "others"
            found.append({"kind": one.kind, "place": one.place, "block": one.block, "group": group, **norms})
    return found


def _coloured(points: Sequence[_Point]) -> list[str]:
    """Return the kinds that have a colour of their own: those of the most blocks, and among these the first."""
    counts = Counter(one.kind for one in points)
    most = len(SERIES) if len(counts) <= len(SERIES) else len(SERIES) - 1
    kept = dict(counts.most_common(most))
    return [kind for kind in counts if kind in kept]


def _lines(points: Sequence[_Point], stats: StatsReport, unnumbered: int) -> View:
    kinds = _coloured(points)
    left = len({one.kind for one in points}) > len(kinds)
    domain, range_ = [*kinds, *(["others"] if left else [])], [*SERIES[: len(kinds)], *([GREY] if left else [])]
    legend = {"title": None, "labelLimit": 220, "symbolType": "stroke", "symbolOpacity": 1}
    x = {
        "field": "place",
        "type": "quantitative",
        "title": "block, from the input on",
        "scale": {"nice": False, "zero": False},
    }
    colour = {"field": "group", "type": "nominal", "scale": {"domain": domain, "range": range_}, "legend": legend}
    shared = {"x": {**x, "axis": {"tickMinStep": 1, "format": "d"}}, "color": colour, "detail": {"field": "kind"}}
    y = {
        "field": "median",
        **_norm_axis(stats, [norm for one in points if one.median for norm in (one.median, one.p90)]),
    }
    line = {"type": "line", "strokeWidth": 1.5, "point": {"size": 18}}
    without = f" Without {plural(unnumbered, 'layer')} in no numbered block." if unnumbered else ""
    return {
        "title": {
            "text": "Gradient flow",
            "subtitle": [f"Median norm of each kind of layer by depth; dotted: its 90th percentile.{without}", _SLOPE],
        },
        "width": _WIDTH,
        "height": _HEIGHT,
        "data": {"values": _values(points, kinds)},
        "layer": [
            {
                "mark": {"type": "line", "strokeWidth": 1.2, "strokeDash": [2, 3], "tooltip": None},
                "encoding": {**shared, "y": {**y, "field": "p90"}},
            },
            {"mark": line, "encoding": {**shared, "y": y, "tooltip": _told()}},
        ],
    }


_SLOPE = (
    "A line that rises from left to right: gradients vanish on their way to the input; one that falls: they explode."
)


def _norm_axis(stats: StatsReport, norms: Sequence[float | None]) -> dict[str, Any]:
    """Return the axis of norms; its ends are fixed, since Vega would put them beyond float64."""
    title = "median norm" if len(stats.dumps) > 1 else "norm"
    return {"type": "quantitative", "title": title, "scale": NormAxis.of(filter(None, norms), ()).scale}


def _told() -> list[dict[str, Any]]:
    figures = [{"field": name, "format": ".4~g"} for name in ("median", "p90", "max")]
    return [{"field": "kind"}, {"field": "block"}, *figures]


def _side_by_side(points: Sequence[_Point], stats: StatsReport) -> View:
    """Draw a mark for each layer, and a line up to its largest norm; by running number where they are many."""
    x: View = {
        "field": "place",
        "type": "quantitative",
        "scale": {"nice": False, "zero": False},
        "axis": {"labels": False},
    }
    if len(points) <= _MOST_BARS:
        x = {"field": "kind", "type": "nominal", "sort": None, "axis": {"labelLimit": 140, "labelAngle": -40}}
    x["title"] = "layer, from the input on"
    y = _norm_axis(stats, [norm for one in points if one.median for norm in (one.median, one.max)])
    return {
        "title": {"text": "Gradient flow", "subtitle": ["Median norm of each layer, and a line up to its largest."]},
        "width": _WIDTH,
        "height": _HEIGHT,
        "data": {"values": _values(points, ())},
        "layer": [
            {
                "mark": {"type": "rule", "color": NORM, "opacity": 0.5},
                "encoding": {"x": x, "y": {"field": "median", **y}, "y2": {"field": "max"}},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 60, "color": NORM, "opacity": 1},
                "encoding": {"x": x, "y": {"field": "median", **y}, "tooltip": _told()},
            },
        ],
    }


def _table(points: Sequence[_Point]) -> NumberTable:
    rows = [[one.kind, one.block, *map(figure, one[3:])] for one in points]
    cut = f" (the first {_MOST_ROWS} of {len(rows):,})" if len(rows) > _MOST_ROWS else ""
    return NumberTable(f"Gradient flow{cut}", ["kind", "block", "median norm", "p90", "largest"], rows[:_MOST_ROWS])


def _says(points: Sequence[_Point]) -> str:
    """Say how far the kind that changes most goes from the first to the last block."""
    ends: dict[str, list[float]] = {}
    for one in points:
        if one.median:
            ends.setdefault(one.kind, []).append(one.median)
    found = f"{plural(len({one.kind for one in points}), 'kind')} of layers in {plural(len({one.block for one in points}), 'block')}"
    kind, norms = max(ends.items(), key=lambda item: abs(np.log(item[1][-1] / item[1][0])))
    ratio = norms[-1] / norms[0]
    way = "larger" if ratio >= 1 else "smaller"
    return (
        f"{found}: the median norm of {kind} is {figure(norms[0])} in its first block and {figure(norms[-1])} in its last, "
        f"{times(max(ratio, 1 / ratio))} {way}."
    )


def _says_layers(points: Sequence[_Point]) -> str:
    ordered = sorted((one for one in points if one.median), key=lambda one: one.median or 0.0)
    low, high = ordered[0], ordered[-1]
    ends = f"from {figure(low.median)} ({low.kind}) to {figure(high.median)} ({high.kind})"
    return f"{plural(len(points), 'layer')}: median norms {ends}."
