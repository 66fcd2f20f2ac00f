"""Gradients beside weights: the ratio of their norms, or the update ratio, of the whole as a line and of layers as a map."""

import math
from collections.abc import Collection
from dataclasses import replace
from typing import Any

import numpy as np

from gradclip_cli.render.html.heat import WIDTH, Values, colour, height_of, rings, x_axis, y_axis
from gradclip_cli.render.html.norm_axis import NormAxis, drawn
from gradclip_cli.render.html.norm_points import SMALL, NormPoints, size_of
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

_HEIGHT, _MOST_TICKS = 150, 8
"""The height of the line of the whole, in pixels, and its most ticks."""

_FEW_DOTS, _LARGE_DOT = 60, 45
"""Up to how many points of one dump are large, and how large."""

_MOST_RINGS, _FEW_RINGS, _LARGE, _SMALLER = 200, 20, 130, 36
"""The most cells with a ring, those farthest above their limits; up to how many have large ones, and the areas of rings."""

_EDGE: View = {"type": "text", "fontSize": 10, "color": BAD, "clip": True}
_LEVEL: View = {"type": "rule", "color": RULE, "strokeWidth": 1.2, "clip": True}
_DOT: View = {"type": "point", "filled": True, "opacity": 1, "color": NORM}
_LINE: View = {"type": "line", "strokeWidth": 1.5, "color": NORM, "clip": True}
_RING: View = {"type": "point", "filled": False, "size": 150, "strokeWidth": 2, "color": EXPLODES, "clip": True}

_RING_IS = " Ring: check finds that it stands out."
"""What a ring means, for subtitles."""


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
    title, fewer = f"{title} over steps", ratios._replace(heat=ratios.heat.of_columns(FEWER_COLUMNS))
    linked, alone = _views(ratios, title, linked=True), _views(fewer, title, linked=False)
    return Picture(title, sentence_of(ratios), [linked], alone, [table_of(ratios)])


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
    axis, columns, marked = (
        _axis(ratios, points.norms[points.positive]),
        _columns(ratios, points),
        _marked(ratios, points),
    )
    x = x_axis(ratios.dumps, linked=linked, field="at", grid=True)
    place = {"x": x, "y": axis.y("ratio", title=ratios.word, axis=_decades(axis))}
    own = {"data": {"values": [columns]}, "transform": [{"flatten": list(columns)}]}
    told = [
        {"field": "where" if "where" in columns else "at", "type": "nominal", "title": x["title"]},
        {"field": "ratio", "type": "quantitative", "format": ".4~g", "title": ratios.word},
        {"field": "weights", "type": "quantitative", "format": ".4~g", "title": "|w|"},
    ]
    dot = {**_DOT, "size": size_of(len(columns["at"])), "clip": True}
    ring = {"data": {"values": marked}, "mark": _RING, "encoding": {**place, "tooltip": told[:2]}}
    layers = [
        _ends(ratios, x),
        *_usual(axis, "y", ratios),
        {**own, "mark": _LINE, "encoding": place},
        {**own, "mark": dot, "encoding": {**place, "tooltip": told}},
        *([ring] if marked else []),
        *_edge(points, ratios.lost, "✕", 6, x),
        *_edge(points, points.norms == 0, "0", _HEIGHT - 6, x),
    ]
    subtitle = [f"The whole: {ratios.formula}.{_level(ratios, axis)}{_RING_IS if marked else ''}"]
    return [{"title": {"text": title, "subtitle": subtitle}, "width": WIDTH, "height": _HEIGHT, "layer": layers}]


def _columns(ratios: WeightRatios, points: NormPoints) -> dict[str, list[Any]]:
    """Return the points of the whole as columns, which take less room than rows."""
    rows, weights = points.largest(), [dump.weight_norm for dump in ratios.dumps]
    columns: dict[str, list[Any]] = {
        "at": [points.places[row] for row in rows],
        "ratio": [drawn(float(points.norms[row])) if points.positive[row] else None for row in rows],
        "weights": [None if (norm := weights[row]) is None else drawn(norm) for row in rows],
    }
    if points.need_names:
        columns["where"] = [points.where(row) for row in rows]
    return columns


def _marked(ratios: WeightRatios, points: NormPoints) -> Values:
    """Return the points at which `check` finds that the ratio of the whole stands out."""
    whole = np.zeros(len(points.norms), np.bool_)
    whole[[one.dump for one in ratios.found if one.whole]] = True
    rows = [one.row for one in points.marked(whole & points.positive)]
    return [
        {"at": points.places[row], "ratio": drawn(float(points.norms[row])), "where": points.where(row)} for row in rows
    ]


def _ends(ratios: WeightRatios, x: View) -> View:
    """Return what is not seen, and keeps the ends of the line where those of the map are."""
    columns = ratios.heat.columns
    values = [{"at": columns[0]["from"]}, {"at": columns[-1]["to"]}]
    return {"data": {"values": values}, "mark": {"type": "point", "opacity": 0, "tooltip": None}, "encoding": {"x": x}}


def _decades(axis: NormAxis) -> dict[str, Any]:
    """Return the ticks of a low picture: one a decade, or of many decades some; those of Vega where there are less than three."""
    whole = range(math.ceil(axis.low), math.floor(axis.high) + 1)
    if len(whole) < 3:
        return {"tickCount": 4}
    return {"values": [drawn(10.0**k) for k in whole[:: -(-len(whole) // _MOST_TICKS)]]}


def _level(ratios: WeightRatios, axis: NormAxis) -> str:
    if not ratios.is_update:
        return ""
    there = axis.holds(USUAL)
    return f" Dashed: about {USUAL:g}, which people look for." if there else f" About {USUAL:g} is beyond the axis."


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
    more = f" Pale: {figure(ratios.middle)}, {usual}.{_RING_IS if ringed else ''}"
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
    rows, known = ratios.heat.rows, above_zero(ratios.matrix)[:, 0]
    whole = ratios.whole[np.isfinite(ratios.whole) & (ratios.whole > 0)]
    axis = _axis(ratios, np.concatenate([ratios.matrix.norms[known, 0], whole]))
    points, edges = _points(ratios)
    x, y, part = axis.y("ratio", title=ratios.word), y_axis(rows), {"field": "layer", "title": rows.part}
    told = [
        part,
        {"field": "ratio", "format": ".4~g", "title": ratios.word},
        {"field": "weights", "format": ".4~g", "title": "|w|"},
    ]
    dot = {**_DOT, "size": _LARGE_DOT if len(ratios.heat.shown) <= _FEW_DOTS else SMALL}
    line = {"data": {"values": [{"ratio": drawn(float(one))} for one in whole]}, "mark": _LEVEL, "encoding": {"x": x}}
    left = {
        "data": {"values": edges},
        "mark": _EDGE,
        "encoding": {"x": {"value": 6}, "y": y, "text": {"field": "sign"}, "tooltip": [part]},
    }
    whole_is = f" Line: the whole, {figure(float(whole[0]))}." if len(whole) else ""
    first = f"Each {rows.part}: {ratios.formula}.{whole_is}{_level(ratios, axis)}"
    return {
        "title": {"text": title, "subtitle": [first, *_without(ratios, {one["sign"] for one in edges})]},
        "width": WIDTH,
        "height": height_of(rows),
        "layer": [
            *([line] if len(whole) else []),
            *_usual(axis, "x", ratios),
            {"data": {"values": points}, "mark": dot, "encoding": {"x": x, "y": y, "tooltip": told}},
            *([left] if edges else []),
        ],
    }


def _points(ratios: WeightRatios) -> tuple[Values, Values]:
    """Return the layers of one dump that an axis can show, and signs for those with a ratio that it cannot."""
    heat, known = ratios.heat, above_zero(ratios.matrix)[:, 0]
    values, present, points, edges = ratios.matrix.norms[:, 0], ratios.matrix.present[:, 0], Values(), Values()
    for row, label in enumerate(heat.rows.labels):
        for k in heat.rows.layers_of(row):
            one = {"row": label, "layer": heat.shown[k]}
            if known[k]:
                points.append({**one, "ratio": drawn(float(values[k])), "weights": drawn(float(ratios.weights[k, 0]))})
            elif present[k]:
                edges.append({**one, "sign": "0" if values[k] == 0 else "✕"})
    return points, edges


def _without(ratios: WeightRatios, signs: Collection[str]) -> list[str]:
    """Say what the signs are, and how many layers have no ratio."""
    meanings = {"✕": "✕: not finite", "0": "0: no gradient"}
    said, absent = [text for sign, text in meanings.items() if sign in signs], int((~ratios.matrix.present).sum())
    found = [f"{'; '.join(said)}."] if said else []
    return [*found, f"{plural(absent, ratios.heat.rows.part)} without: weights of 0, or none."] if absent else found
