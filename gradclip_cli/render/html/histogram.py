"""How often norms occur, and how much each threshold would clip, on the axis of norms."""

import numpy as np

from gradclip_cli.render.html.norm_axis import HEIGHT, NormAxis, drawn
from gradclip_cli.render.html.picture import NumberTable, View
from gradclip_cli.render.html.slider import LIMIT, Slider
from gradclip_cli.render.html.theme import NORM, OVER
from gradclip_cli.render.tables.grid import figure
from gradclip_cli.thresholds.samples import Matrix

_BINS = 40

_FEW = 4
"""Up to so many norms in a bin, each has a tick: Vega would set some between them."""


def counts(norms: Matrix, axis: NormAxis, bins: int = _BINS) -> list[tuple[float, float, int]]:
    """Count the norms that are finite and above 0 in bins of equal width on the axis: from, to, how many."""
    found, edges = np.histogram(np.log10(norms), bins, (axis.low, axis.high))
    ends = [drawn(10**edge) for edge in edges.tolist()]
    return list(zip(ends, ends[1:], found.tolist(), strict=False))


def histogram(norms: Matrix, axis: NormAxis, moves: Slider | None, noun: str) -> View:
    """Return the histogram of norms that are finite and above 0, with the clip rate of each threshold as a line."""
    moved = [_rates(axis, moves), slider_line(axis)] if moves is not None else []
    return {
        "title": {"text": "How often", "subtitle": [f"bars: {noun}s", *(["line: clip rate"] if moves else [])]},
        "width": 130,
        "height": HEIGHT,
        "layer": [_bars(norms, axis, noun, moves=moves is not None), *moved],
        "resolve": {"scale": {"x": "independent"}},
    }


def _bars(norms: Matrix, axis: NormAxis, noun: str, *, moves: bool) -> View:
    """Return the bars; those above the threshold have its colour."""
    bars = [{"from": low, "to": high, "count": count} for low, high, count in counts(norms, axis) if count]
    most = max(int(bar["count"]) for bar in bars)
    ticks: View = (
        {"values": list(range(most + 1)), "format": "d"} if most <= _FEW else {"tickMinStep": 1, "tickCount": 4}
    )
    count: View = {"field": "count", "type": "quantitative", "title": f"{noun}s"}
    ends: list[View] = [{"field": end, "type": "quantitative", "format": ".4~g"} for end in ("from", "to")]
    over: View = (
        {"color": {"condition": {"test": f"datum.from >= {LIMIT}", "value": OVER}, "value": NORM}} if moves else {}
    )
    encoding = {
        "y": axis.y("from", axis={"labels": False, "title": None}),
        "y2": {"field": "to"},
        "x": {**count, "axis": ticks},
        "x2": {"datum": 0},
        "tooltip": [*ends, count],
        **over,
    }
    return {"data": {"values": bars}, "mark": {"type": "rect", "color": NORM, "opacity": 0.6}, "encoding": encoding}


def _rates(axis: NormAxis, moves: Slider) -> View:
    """Return the share of norms that each threshold of the slider clips, as a line."""
    effects = [one.effect for one in moves.positions]
    values = [{"threshold": drawn(one.threshold), "share": round(one.clipped / moves.counted, 4)} for one in effects]
    scale, ticks = {"domain": [0, 1]}, {"orient": "top", "format": ".0%", "values": [0, 0.5, 1], "grid": False}
    return {
        "data": {"values": values},
        "mark": {"type": "line", "color": OVER, "strokeWidth": 1.5, "interpolate": "step-after"},
        "encoding": {
            "y": axis.y("threshold"),
            "x": {"field": "share", "type": "quantitative", "scale": scale, "title": "clip rate", "axis": ticks},
            "order": {"field": "threshold", "type": "quantitative"},
        },
    }


def slider_line(axis: NormAxis) -> View:
    """Return the threshold of the slider as a line."""
    return {
        "data": {"values": [{}]},
        "transform": [{"calculate": LIMIT, "as": "limit"}],
        "mark": {"type": "rule", "color": OVER, "strokeWidth": 1.5},
        "encoding": {"y": axis.y("limit")},
    }


def table(norms: Matrix, axis: NormAxis, noun: str) -> NumberTable:
    """Return the histogram as a table, each row two of its bars."""
    rows = [(figure(low), figure(high), f"{count:,}") for low, high, count in counts(norms, axis, _BINS // 2) if count]
    return NumberTable("How often norms occur", ("from", "to", f"{noun}s"), rows)
