"""Gradients beside weights: the ratio of their norms, or the update ratio, of the whole as a line and of layers as a map."""

import math
from dataclasses import replace
from typing import Any

import numpy as np

from gradclip_cli.render.html.heat import WIDTH, Values, colour, height_of, rings, x_axis, y_axis
from gradclip_cli.render.html.norm_axis import NormAxis, drawn
from gradclip_cli.render.html.norm_points import NormPoints
from gradclip_cli.render.html.picture import Picture, View
from gradclip_cli.render.html.pooled import FEWER_COLUMNS, Norms
from gradclip_cli.render.html.steps import name_of, places
from gradclip_cli.render.html.theme import BAD, EXPLODES, NORM, RULE
from gradclip_cli.render.html.weight_ratios import (
    USUAL,
    StandsOut,
    WeightRatios,
    above_zero,
    sentence_of,
    table_of,
    weight_ratios,
)
from gradclip_cli.render.tables.grid import figure
from gradclip_cli.reports.run import RunReport
from gradclip_cli.text import capital, plural
from gradclip_cli.thresholds.samples import Mask

_LINE, _MOST_TICKS = 150, 8
"""The height of the line of the whole, in pixels, and its most ticks."""

_DENSE, _SMALL, _SMALLEST = 400, 14, 2
"""The number of points above which they are smallest, and the areas of points in square pixels."""

_FEW_DOTS, _DOT = 60, 45
"""Up to how many points of one dump are large, and how large."""

_MOST_RINGS, _FEW_RINGS, _LARGE, _SMALLER = 200, 20, 130, 36
"""The most cells with a ring, those farthest above their limits; up to how many have large ones, and the areas of rings."""

_EDGE: View = {"type": "text", "fontSize": 10, "color": BAD, "clip": True}
_LEVEL: View = {"type": "rule", "color": RULE, "strokeWidth": 1.2, "clip": True}


def picture(report: RunReport) -> Picture | None:
    """Draw the ratio of gradients to weights, the update ratio where the learning rate is known.

    None without weights, and where no layer has a ratio above 0.
    """
    ratios = weight_ratios(report)
    if ratios is None:
        return None
    title = f"{capital(ratios.word)}s"
    if len(ratios.dumps) < 2:
        view = _of_one_dump(ratios, title)
        return Picture(title, sentence_of(ratios), [view], view, [table_of(ratios)])
    fewer = ratios._replace(heat=ratios.heat.of_columns(FEWER_COLUMNS))
    linked, alone = (
        _views(ratios, f"{title} over steps", linked=True),
        _views(fewer, f"{title} over steps", linked=False),
    )
    return Picture(f"{title} over steps", sentence_of(ratios), [linked], alone, [table_of(ratios)])


def _views(ratios: WeightRatios, title: str, *, linked: bool) -> View:
    line = _line(ratios, title, linked=linked)
    return {"vconcat": [*line, _map(ratios, linked=linked)], "resolve": {"scale": {"color": "independent"}}}


def _axis(ratios: WeightRatios, values: Norms) -> NormAxis:
    return NormAxis.of(values.tolist(), [USUAL] if ratios.is_update else [])


def _line(ratios: WeightRatios, title: str, *, linked: bool) -> list[View]:
    """Return the ratio of the whole over the steps, if there is any: what stands out has a ring, and what is usual a line."""
    points = replace(NormPoints.of(ratios.dumps), norms=ratios.whole)
    if not points.positive.any():
        return []
    axis, ends = _axis(ratios, points.norms[points.positive]), ratios.heat.columns
    rows, at = points.largest(), points.places
    columns: dict[str, list[Any]] = {
        "at": [at[row] for row in rows],
        "ratio": [drawn(float(points.norms[row])) if points.positive[row] else None for row in rows],
        "weights": [None if (norm := ratios.dumps[row].weight_norm) is None else drawn(norm) for row in rows],
    }
    if points.each > 1 or any(dump.name is not None or dump.step is None for dump in points.dumps):
        columns["where"] = [points.where(row) for row in rows]
    x = x_axis(ratios.dumps, linked=linked, field="at", grid=True)
    y = axis.y("ratio", title=ratios.word, axis=_decades(axis))
    told = [
        {"field": "where" if "where" in columns else "at", "type": "nominal", "title": x["title"]},
        {"field": "ratio", "type": "quantitative", "format": ".4~g", "title": ratios.word},
        {"field": "weights", "type": "quantitative", "format": ".4~g", "title": "|w|"},
    ]
    size = _SMALL if len(rows) <= _DENSE else _SMALLEST
    hidden = {"values": [{"at": ends[0]["from"]}, {"at": ends[-1]["to"]}]}
    own = {"data": {"values": [columns]}, "transform": [{"flatten": list(columns)}]}
    line = {"type": "line", "strokeWidth": 1.5, "color": NORM, "clip": True}
    dot = {"type": "point", "filled": True, "opacity": 1, "size": size, "color": NORM, "clip": True}
    whole = np.zeros(len(points.norms), np.bool_)
    whole[[one.dump for one in ratios.found if one.whole]] = True
    ring = {"type": "point", "filled": False, "size": 150, "strokeWidth": 2, "color": EXPLODES, "clip": True}
    marked = [
        {"at": at[one.row], "ratio": drawn(float(points.norms[one.row])), "where": points.where(one.row)}
        for one in points.marked(whole & points.positive)
    ]
    subtitle = [
        f"The whole: {ratios.formula}.{_level(ratios, axis)}{' Ring: check finds that it stands out.' if marked else ''}"
    ]
    layers = [
        {"data": hidden, "mark": {"type": "point", "opacity": 0, "tooltip": None}, "encoding": {"x": x}},
        *_usual(axis, "y", ratios),
        {**own, "mark": line, "encoding": {"x": x, "y": y}},
        {**own, "mark": dot, "encoding": {"x": x, "y": y, "tooltip": told}},
        *(
            [{"data": {"values": marked}, "mark": ring, "encoding": {"x": x, "y": y, "tooltip": told[:2]}}]
            if marked
            else []
        ),
        *_edge(points, ratios.lost, "✕", 6, x),
        *_edge(points, points.norms == 0, "0", _LINE - 6, x),
    ]
    return [{"title": {"text": title, "subtitle": subtitle}, "width": WIDTH, "height": _LINE, "layer": layers}]


def _decades(axis: NormAxis) -> dict[str, Any]:
    """Return the ticks of a low picture: one a decade, or of many decades some; those of Vega where there are less than three."""
    whole = range(math.ceil(axis.low), math.floor(axis.high) + 1)
    return (
        {"values": [drawn(10.0**k) for k in whole[:: -(-len(whole) // _MOST_TICKS)]]}
        if len(whole) > 2
        else {"tickCount": 4}
    )


def _level(ratios: WeightRatios, axis: NormAxis) -> str:
    if not ratios.is_update:
        return ""
    return (
        f" Dashed: about {USUAL:g}, which people look for."
        if axis.holds(USUAL)
        else f" About {USUAL:g} is beyond the axis."
    )


def _usual(axis: NormAxis, channel: str, ratios: WeightRatios) -> list[View]:
    """Return a dashed line at what is usual, if that is known and on the axis."""
    if not (ratios.is_update and axis.holds(USUAL)):
        return []
    place = {channel: axis.y("usual", title=ratios.word)}
    return [{"data": {"values": [{"usual": USUAL}]}, "mark": {**_LEVEL, "strokeDash": [4, 3]}, "encoding": place}]


def _edge(points: NormPoints, which: Mask, sign: str, height: int, x: View) -> list[View]:
    """Return signs at an edge for ratios that a logarithmic axis has no place for."""
    rows = [{"at": points.places[one.row], "where": points.where(one.row)} for one in points.marked(which)]
    told = [{"field": "where", "type": "nominal", "title": "not finite" if sign == "✕" else "zero"}]
    encoding = {"x": x, "y": {"value": height}, "tooltip": told}
    return [{"data": {"values": rows}, "mark": {**_EDGE, "text": sign}, "encoding": encoding}] if rows else []


def _map(ratios: WeightRatios, *, linked: bool) -> View:
    """Return the ratios of layers over steps; what stands out has a ring."""
    heat, x = ratios.heat, x_axis(ratios.dumps, linked=linked)
    usual = "which people look for" if ratios.is_update else "the median of all"
    ringed = _ringed(ratios)
    more = f" Pale: {figure(ratios.middle)}, {usual}.{' Ring: check finds that it stands out.' if ringed else ''}"
    subtitle = heat.subtitle("has the largest", more, absent="weights of 0, or none")
    shade = colour(ratios.word, heat.cells, ratios.middle)
    found = heat.view(
        f"{capital(ratios.word)} of each {heat.rows.noun}", subtitle, shade, heat.told(ratios.word), linked=linked
    )
    told = [{"field": "says", "title": "stands out"}]
    return {
        **heat.data(unit=ratios.middle),
        **found,
        "layer": [*found["layer"], *rings(x, ringed, _LARGE if len(ringed) <= _FEW_RINGS else _SMALLER, tooltip=told)],
    }


def _ringed(ratios: WeightRatios) -> Values:
    """Return the cells with a ring: one for each row and column, and of too many those that stand out most."""
    heat, at = ratios.heat, places(ratios.dumps)
    cells: dict[tuple[int, int], StandsOut] = {}
    for one in sorted((one for one in ratios.found if one.row is not None), key=lambda one: -one.times):
        row = int(np.searchsorted(heat.rows.starts, one.row or 0, side="right"))
        column = int(np.searchsorted(heat.starts, one.dump, side="right"))
        cells.setdefault((row - 1, column), one)
    return [
        {
            "row": heat.rows.labels[row],
            "at": at[one.dump],
            "says": f"{heat.shown[one.row or 0]} at step {name_of(ratios.dumps[one.dump])}",
        }
        for (row, _), one in [*cells.items()][:_MOST_RINGS]
    ]


def _of_one_dump(ratios: WeightRatios, title: str) -> View:
    """Return a point for each layer in its row, with the whole as a line."""
    heat, rows, known = ratios.heat, ratios.heat.rows, above_zero(ratios.matrix)[:, 0]
    values, present = ratios.matrix.norms[:, 0], ratios.matrix.present[:, 0]
    whole = ratios.whole[np.isfinite(ratios.whole) & (ratios.whole > 0)]
    axis = _axis(ratios, np.concatenate([values[known], whole]))
    points, edges = [], []
    for row, label in enumerate(rows.labels):
        for k in rows.layers_of(row):
            one = {"row": label, "layer": heat.shown[k]}
            if known[k]:
                points.append({**one, "ratio": drawn(float(values[k])), "weights": drawn(float(ratios.weights[k, 0]))})
            elif present[k]:
                edges.append({**one, "sign": "0" if values[k] == 0 else "✕"})
    x, y = axis.y("ratio", title=ratios.word), y_axis(rows)
    part = {"field": "layer", "title": rows.part}
    told = [
        part,
        {"field": "ratio", "format": ".4~g", "title": ratios.word},
        {"field": "weights", "format": ".4~g", "title": "|w|"},
    ]
    size = _DOT if len(heat.shown) <= _FEW_DOTS else _SMALL
    dot = {"type": "point", "filled": True, "opacity": 1, "size": size, "color": NORM}
    line = {"data": {"values": [{"ratio": drawn(float(one))} for one in whole]}, "mark": _LEVEL, "encoding": {"x": x}}
    left = {
        "data": {"values": edges},
        "mark": _EDGE,
        "encoding": {"x": {"value": 6}, "y": y, "text": {"field": "sign"}, "tooltip": [part]},
    }
    signs = {"✕: not finite": "✕", "0: no gradient": "0"}
    said = [text for text, sign in signs.items() if any(one["sign"] == sign for one in edges)]
    none = [f"{plural(int((~present).sum()), rows.part)} without: weights of 0, or none."] if not present.all() else []
    whole_is = f" Line: the whole, {figure(float(whole[0]))}." if len(whole) else ""
    first = f"Each {rows.part}: {ratios.formula}.{whole_is}{_level(ratios, axis)}"
    return {
        "title": {"text": title, "subtitle": [first, *([f"{'; '.join(said)}."] if said else []), *none]},
        "width": WIDTH,
        "height": height_of(rows),
        "layer": [
            *([line] if len(whole) else []),
            *_usual(axis, "x", ratios),
            {"data": {"values": points}, "mark": dot, "encoding": {"x": x, "y": y, "tooltip": told}},
            *([left] if edges else []),
        ],
    }
