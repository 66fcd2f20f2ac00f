"""How large the elements of gradients are: their exponents by layer and by step, with what narrower dtypes make of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.checks.forward_order import forward_key
from gradclip_cli.render.html.heat import OVERLAP, Values, columns_of, x_axis
from gradclip_cli.render.html.picture import Picture, View
from gradclip_cli.render.html.pooled import MOST_COLUMNS, starts_of
from gradclip_cli.render.html.rows import parts_of, rows_by
from gradclip_cli.render.html.theme import NORM, RULE
from gradclip_cli.render.html.value_bands import bands_table, layers_table, limits, sentence_of
from gradclip_cli.reports.run import RunReport
from gradclip_cli.reports.stats import StatsReport
from gradclip_cli.reports.values import Magnitudes, ValueReport
from gradclip_cli.text import percent, plural

_WIDTH, _HEIGHT, _WHOLE = 620, 260, 230
_APART = {"resolve": {"scale": {"color": "independent"}}}
_LINE = 12
"""The height of a name above the picture of the whole, in pixels."""

_LIMIT: View = {"type": "rule", "strokeDash": [4, 3], "color": RULE, "strokeWidth": 1.2}
_BESIDE: View = {
    "align": {"expr": "['left', 'center', 'right'][datum.side]"},
    "dx": {"expr": "3 - 3 * datum.side"},
}
"""How limits are drawn, and where their names stand: in the left and the right third beside them, in the middle above."""

_MOST_STEPS = 160
"""Columns of steps at most, each of which has a cell for each exponent."""

Counts = NDArray[np.int64]


def picture(report: RunReport) -> Picture | None:
    """Draw the exponents of elements by layer, and by step where there are several; None where they were not counted."""
    values = report.values
    if values is None or not values.layers.counts.any():
        return None
    by_layer = _by_layer(report.stats, values, report.by)
    linked: list[View] = [
        {"vconcat": [_whole(values), by_layer, _by_step(report.stats, values, linked=True)], **_APART}
    ]
    alone: View = {"vconcat": [_whole(values), by_layer, _by_step(report.stats, values, linked=False)], **_APART}
    if len(values.steps.names) < 2:
        linked = [alone := {"vconcat": [_whole(values), by_layer]}]
    tables = [bands_table(values.layers), layers_table(values.layers)]
    return Picture("Magnitudes of elements", sentence_of(values.layers), linked, alone, tables)


def _shown_limits(values: ValueReport) -> Values:
    low, high = values.layers.least, values.layers.least + values.layers.counts.shape[1]
    return [
        {"at": one.at, "says": f"{one.dtype}: {one.what} 2^{one.at:g}", "dtype": one.dtype}
        for one in limits()
        if low <= one.at <= high
    ]


def _exponents(values: ValueReport, **more: Any) -> View:
    low, high = values.layers.least, values.layers.least + values.layers.counts.shape[1]
    scale = {"domain": [low, high], "nice": False, "zero": False}
    return {
        "type": "quantitative",
        "scale": scale,
        "title": "|g|",
        "axis": {"labelExpr": "'2^' + datum.label", "tickMinStep": 1, "grid": False},
        **more,
    }


def _rules(values: ValueReport, channel: str) -> list[View]:
    """Return the limits of narrow dtypes as dashed lines, which tell their names when they are pointed at."""
    limits = _shown_limits(values)
    if not limits:
        return []
    place = {channel: _exponents(values, field="at"), "tooltip": [{"field": "says", "title": "limit"}]}
    return [{"data": {"values": limits}, "mark": _LIMIT, "encoding": place}]


def _named(values: ValueReport) -> list[View]:
    """Return the limits in the picture of the whole, with their names in a strip above it, each in a line of its own.

    A limit begins at its name, which stands towards the middle, so that few limits cross the names of others.
    """
    low, width = values.layers.least, values.layers.counts.shape[1]
    limits = sorted(_shown_limits(values), key=lambda one: float(one["at"]))
    sides = [min(2, int(3 * (one["at"] - low) / width)) for one in limits]
    outside_in = sorted(range(len(limits)), key=lambda k: (sides[k] == 1, min(k, len(limits) - 1 - k)))
    texts = [
        {**limits[k], "side": sides[k], "y": 6 + _LINE * line, "from": (12 if sides[k] == 1 else 6) + _LINE * line}
        for line, k in enumerate(outside_in)
    ]
    if not texts:
        return []
    x, told = _exponents(values, field="at"), {"tooltip": [{"field": "says", "title": "limit"}]}
    height = {"type": "quantitative", "scale": None}
    line: View = {"x": x, "y": {**height, "field": "from"}, "y2": {"value": _WHOLE}, **told}
    name = {"x": x, "y": {**height, "field": "y"}, "text": {"field": "says"}}
    return [
        {"data": {"values": texts}, "mark": _LIMIT, "encoding": line},
        {"data": {"values": texts}, "mark": {"type": "text", "fontSize": 9.5, **_BESIDE}, "encoding": name},
    ]


def _whole(values: ValueReport) -> View:
    """Draw how many elements of the whole run have which exponent."""
    counts = values.layers.counts.sum(axis=0)
    total = max(1, _elements(values.layers))
    bars = [
        {"e": values.layers.least + k, "f": values.layers.least + k + 1, "share": count / total, "n": count}
        for k, count in enumerate(counts.tolist())
        if count
    ]
    y = {
        "field": "share",
        "type": "quantitative",
        "title": "share of elements",
        "axis": {"format": "%"},
        "scale": {"zero": True, "range": [_WHOLE, _LINE * len(_shown_limits(values)) + 8]},
    }
    told = [
        {"field": "e", "title": "from 2^"},
        {"field": "n", "title": "elements", "format": ","},
        {"field": "share", "format": ".3~%"},
    ]
    zeros = int(values.layers.zeros.sum())
    bar = {
        "mark": {"type": "rect", "color": NORM, "opacity": 0.7},
        "encoding": {
            "x": _exponents(values, field="e"),
            "x2": {"field": "f"},
            "y": y,
            "y2": {"datum": 0},
            "tooltip": told,
        },
    }
    return {
        "title": {
            "text": "Magnitudes of elements",
            "subtitle": [
                f"Apart: {plural(zeros, 'zero')}, {percent(zeros / total, 1)} of all elements.",
                "Dashed: limits of narrow dtypes.",
            ],
        },
        "width": _WIDTH,
        "height": _WHOLE,
        "data": {"values": bars},
        "layer": [bar, *_named(values)],
        "resolve": {"scale": {"y": "independent"}},
    }


def _elements(counted: Magnitudes) -> int:
    return int(counted.counts.sum() + counted.zeros.sum() + counted.nonfinite.sum())


def _shade() -> dict[str, Any]:
    legend = {"orient": "top", "direction": "horizontal", "format": "%", "gradientLength": 160, "titleOrient": "left"}
    return {
        "field": "share",
        "type": "quantitative",
        "title": "share of elements above 0",
        "scale": {"range": "heatmap"},
        "legend": legend,
    }


def _shares(counts: Counts, rows: Sequence[dict[str, Any]]) -> Values:
    """Return a value for each row, with the share of each exponent in it, in ten thousandths and at least one where it occurs."""
    shares = np.rint(10_000 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)).astype(np.int64)
    cells = np.where(counts > 0, np.maximum(shares, 1), 0).tolist()
    return [{**row, "n": k, "s": found} for k, (row, found) in enumerate(zip(rows, cells, strict=True))]


def _unfolded(least: int) -> list[dict[str, Any]]:
    """Return the transforms that make a datum of each exponent that occurs in a row."""
    return [
        {"flatten": ["s"]},
        {"window": [{"op": "row_number", "as": "at"}], "groupby": ["n"]},
        {"filter": "datum.s > 0"},
        {"calculate": f"datum.at + {least - 1}", "as": "e"},
        {"calculate": "datum.e + 1", "as": "f"},
        {"calculate": "datum.s / 10000", "as": "share"},
    ]


def _by_layer(stats: StatsReport, values: ValueReport, by: str) -> View:
    counted = values.layers
    order = sorted(range(len(counted.names)), key=lambda k: forward_key(counted.names[k]))
    parts = parts_of([counted.names[k] for k in order], stats, by)
    place = {name: k for k, name in enumerate(dict.fromkeys(parts))}
    joined = np.zeros((len(place), counted.counts.shape[1]), np.int64)
    np.add.at(joined, [place[part] for part in parts], counted.counts[order])
    rows = rows_by([*place], stats, by)
    counts = np.add.reduceat(joined[rows.order], rows.starts, axis=0)
    named = [{"row": label, "name": name} for label, name in zip(rows.labels, rows.names, strict=True)]
    axis = {"labelFontSize": 9, "labelLimit": 105, "labelOverlap": True, "ticks": False, "grid": False}
    y = {
        "field": "row",
        "type": "nominal",
        "title": None,
        "axis": axis,
        "scale": {"domain": list(rows.labels), "padding": 0},
    }
    told = [
        {"field": "name", "title": rows.noun},
        {"field": "e", "title": "from 2^"},
        {"field": "share", "format": ".3~%"},
    ]
    x = {"x": _exponents(values, field="e"), "x2": {"field": "f"}}
    cell = {
        "mark": {"type": "rect", "aria": False, **OVERLAP},
        "encoding": {**x, "y": y, "color": _shade(), "tooltip": told},
    }
    return {
        "title": {
            "text": f"Magnitudes by {rows.noun}",
            "subtitle": ["Each row: where its elements are, over all steps."],
        },
        "width": _WIDTH,
        "height": max(60, min(480, 16 * len(rows.labels))),
        "data": {"values": _shares(counts, named)},
        "transform": _unfolded(counted.least),
        "layer": [cell, *_rules(values, "x")],
    }


def _by_step(stats: StatsReport, values: ValueReport, *, linked: bool) -> View:
    starts = starts_of(len(stats.dumps), min(MOST_COLUMNS, _MOST_STEPS))
    counts = np.add.reduceat(values.steps.counts, starts, axis=0)
    told = [
        {"field": "steps", "title": "step"},
        {"field": "e", "title": "from 2^"},
        {"field": "share", "format": ".3~%"},
    ]
    x = {"x": x_axis(stats.dumps, linked=linked), "x2": {"field": "to"}}
    y = {"y": _exponents(values, field="e"), "y2": {"field": "f"}}
    columns = [{key: one[key] for key in ("from", "to", "steps")} for one in columns_of(stats.dumps, starts)]
    mark = {"type": "rect", "clip": True, "aria": False, "x2Offset": 0.5, "y2Offset": -0.5}
    cell = {"mark": mark, "encoding": {**x, **y, "color": _shade(), "tooltip": told}}
    return {
        "title": {"text": "Magnitudes over steps", "subtitle": ["Each column: where all elements are at a step."]},
        "width": _WIDTH,
        "height": _HEIGHT,
        "data": {"values": _shares(counts, columns)},
        "transform": _unfolded(values.steps.least),
        "layer": [cell, *_rules(values, "y")],
    }
