"""How often norms occur, and how much each threshold would clip, on the axis of norms."""


import numpy as np

from gradclip_cli.render.html.norm_axis import HEIGHT, NormAxis, drawn
from gradclip_cli.render.html.picture import NumberTable, View
from gradclip_cli.render.html.slider import LIMIT, Slider
from gradclip_cli.render.html.theme import NORM, OVER
from gradclip_cli.render.tables.grid import figure
from gradclip_cli.thresholds.samples import Matrix

_BINS = 40


def counts(norms: Matrix, axis: NormAxis, bins: int = _BINS) -> list[tuple[float, float, int]]:
    """Count the norms that are finite and above 0 in bins of equal width on the axis: from, to, how many."""
    found, edges = np.histogram(np.log10(norms), bins, (axis.low, axis.high))
    ends = [drawn(10**edge) for edge in edges.tolist()]
    return list(zip(ends, ends[1:], found.tolist(), strict=False))


def histogram(norms: Matrix, axis: NormAxis, moves: Slider | None, noun: str) -> View:
    """Return the histogram of norms that are finite and above 0, with the clip rate of each threshold as a line."""
    bars = [{"from": low, "to": high, "count": count} for low, high, count in counts(norms, axis) if count]
    over = {"color": {"condition": {"test": f"datum.from >= {LIMIT}", "value": OVER}, "value": NORM}} if moves else {}
    layers: list[View] = [
        {
            "data": {"values": bars},
            "mark": {"type": "rect", "color": NORM, "opacity": 0.6},
            "encoding": {
                "y": axis.y("from", axis={"labels": False, "title": None}),
                "y2": {"field": "to"},
                "x": {"field": "count", "type": "quantitative", "title": f"{noun}s", "axis": {"tickMinStep": 1, "tickCount": 4}},
                "x2": {"datum": 0},
                "tooltip": [
                    {"field": "from", "type": "quantitative", "format": ".4~g"},
                    {"field": "to", "type": "quantitative", "format": ".4~g"},
                    {"field": "count", "type": "quantitative", "title": f"{noun}s"},
                ],
                **over,
            },
        }
    ]
    if moves is not None:
        layers += [_rates(axis, moves), slider_line(axis)]
    return {
        "title": {"text": "How often", "subtitle": f"bars: {noun}s; line: clip rate" if moves else f"{noun}s"},
        "width": 130,
        "height": HEIGHT,
        "layer": layers,
        "resolve": {"scale": {"x": "independent"}},
    }


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
