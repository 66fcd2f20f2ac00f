"""The map of a run: layers over steps, each norm beside the median of its own layer; and the line of the row that is picked."""

from typing import Any

import numpy as np

from gradclip_cli.render.html.heat import (
    WIDTH,
    Values,
    above,
    cell_layers,
    colour,
    columns_of,
    height_of,
    legend_of,
    row_values,
    unfolded,
    x_axis,
)
from gradclip_cli.render.html.map_norms import MapNorms, Rise, map_norms, sentence_of, table_of
from gradclip_cli.render.html.picture import PICKED, Picture, View
from gradclip_cli.render.html.pooled import FEWER_COLUMNS, NONFINITE, ZERO
from gradclip_cli.render.html.steps import STEP_TICKS, name_of, places
from gradclip_cli.render.html.theme import BAD, NORM
from gradclip_cli.reports.run import RunReport
from gradclip_cli.text import shortlist

_APART = {"resolve": {"scale": {"color": "independent"}}}
_DETAIL = 120
"""The height of the line below the map, in pixels."""


def picture(report: RunReport) -> Picture | None:
    """Draw the norm of each layer at each step; None for a run without layers, or of one dump."""
    norms = map_norms(report)
    if norms is None:
        return None
    columns = columns_of(norms.dumps, norms.starts)
    linked = {
        **_data(norms, columns),
        "vconcat": [_view(norms, columns, linked=True), _detail(norms, columns)],
        **_APART,
    }
    fewer = norms.of_columns(FEWER_COLUMNS)
    columns = columns_of(norms.dumps, fewer.starts)
    alone = {**_data(fewer, columns), **_view(fewer, columns, linked=False)}
    return Picture("Layers over steps", sentence_of(norms), [linked], alone, [table_of(norms)])


def _data(norms: MapNorms, columns: Values) -> View:
    return {"data": {"values": _values(norms)}, "transform": _transforms(norms, columns)}


def _values(norms: MapNorms) -> Values:
    usual = norms.usual if norms.rows.are_layers else np.zeros(len(norms.rows.names))
    drawn = np.logical_or.reduce(np.abs(norms.cells.cells) < -ZERO, axis=1)
    more = [
        {**({"median": float(f"{value:.4g}")} if value > 0 else {}), **({} if any_ratio else {"none": 1})}
        for value, any_ratio in zip(usual.tolist(), drawn.tolist(), strict=True)
    ]
    return row_values(norms.rows, norms.shown, norms.cells, more)


def _transforms(norms: MapNorms, columns: Values) -> list[dict[str, Any]]:
    value = "pow(10, log(datum.median) / LN10 + datum.log)" if norms.rows.are_layers else "pow(10, datum.log)"
    norm = {"calculate": f"datum.known ? {value} : null", "as": "norm"}
    return [*unfolded(columns, several=not norms.rows.are_layers), norm]


def _told(norms: MapNorms) -> Values:
    """Return what a cell tells when it is pointed at."""
    cell = [{"field": "layer"}, {"field": "steps", "title": "step"}, {"field": "times", "title": "times its median"}]
    if not norms.rows.are_layers:
        return [{"field": "name", "title": norms.rows.noun}, *cell]
    return [*cell, {"field": "norm", "format": ".2~g"}, {"field": "median", "title": "median norm"}]


def _view(norms: MapNorms, columns: Values, *, linked: bool) -> View:
    x, shade = x_axis(norms.dumps, linked=linked), colour("times the median of its layer", norms.cells)
    ground, *cells = cell_layers(x, norms.rows, norms.cells, columns, shade, _told(norms))
    if linked:
        pick = {
            "type": "point",
            "fields": ["row"],
            "on": "click[event.item && event.item.datum && event.item.datum.row]",
            "clear": False,
            "toggle": False,
        }
        ground = {"params": [{"name": PICKED, "select": pick, "value": [{"row": norms.picked()}]}], **ground}
    return {
        "title": {"text": "Layers over steps", "subtitle": _subtitle(norms, linked=linked)},
        "width": WIDTH,
        "height": height_of(norms.rows),
        "layer": [ground, *cells, *above(x, norms.rows, norms.cells, columns), *_marks(norms, x)],
    }


def _subtitle(norms: MapNorms, *, linked: bool) -> list[str]:
    highest = "" if norms.rows.are_layers else ", shown by the layer of it that stands highest"
    click = " Click a row to draw it below." if linked else ""
    return [f"Each row is a {norms.rows.noun}{highest}.{click}", *legend_of(norms.cells)]


def _marks(norms: MapNorms, x: View) -> list[View]:
    """Mark what rose first: a sign above its step, and rings around its rows."""
    rise = norms.rise
    if rise is None:
        return []
    at = {"at": places(norms.dumps)[rise.dump], "says": _says(rise, name_of(norms.dumps[rise.dump]))}
    sign = {"type": "text", "text": "▼ first", "align": "left", "dx": -4, "fontSize": 10, "clip": True}
    ring = {"type": "point", "shape": "circle", "size": 130, "filled": False, "clip": True}
    place = {"x": {**x, "field": "at"}, "tooltip": [{"field": "says", "title": "first"}]}
    rings = {"data": {"values": [{"row": label, **at} for label in rise.labels]}}
    beside = {**place, "y": {"field": "row", "type": "nominal"}}
    drawn = [
        {"data": {"values": [at]}, "mark": sign, "encoding": {**place, "y": {"value": 7}}},
        {**rings, "mark": {**ring, "color": "white", "strokeWidth": 4}, "encoding": beside},
        {**rings, "mark": {**ring, "color": "black", "strokeWidth": 1.5}, "encoding": beside},
    ]
    return drawn if rise.labels else drawn[:1]


def _says(rise: Rise, step: str) -> str:
    what = shortlist(rise.first.names, 3) if rise.first.names else "all blocks rise together"
    return f"{what} at step {step}"


def _detail(norms: MapNorms, columns: Values) -> View:
    """Draw the row that is picked as a line; what is not finite stands at the top, what is 0 at the bottom.

    A scale without a number fails in the browser: hidden ends hold that of the steps, a hidden line that of a row without norms.
    """
    x = x_axis(norms.dumps, linked=True) | {"field": "at", "axis": {**STEP_TICKS, "grid": True}}
    title = "norm of the picked row" if norms.rows.are_layers else "picked row, times the median"
    y = {"field": "y", "type": "quantitative", "title": title, "scale": {"type": "log", "nice": False}}
    legend = {
        "title": None,
        "orient": "top",
        "labelLimit": 240,
        "columns": 1,
        "symbolType": "stroke",
        "symbolOpacity": 1,
    }
    hue = {"field": "name", "type": "nominal", "scale": {"range": [NORM]}, "legend": legend}
    line = {"type": "line", "strokeWidth": 1.2, "point": {"size": 8}, "clip": True}
    seen = {"condition": {"test": "datum.none", "value": 0}, "value": 1}
    ends = {"values": [{"at": columns[0]["from"]}, {"at": columns[-1]["to"]}]}
    return {
        "width": WIDTH,
        "height": _DETAIL,
        "transform": [
            {"filter": {"param": PICKED, "empty": False}},
            {"calculate": "(datum.from + datum.to) / 2", "as": "at"},
            {"calculate": "datum.none ? 1 : datum.norm", "as": "y"},
        ],
        "layer": [
            {"data": ends, "mark": {"type": "point", "opacity": 0, "tooltip": None}, "encoding": {"x": x}},
            {"mark": line, "encoding": {"x": x, "y": y, "color": hue, "opacity": seen, "tooltip": _told(norms)}},
            _edge("✕", f"datum.c == {NONFINITE}", x, 5, norms),
            _edge("0", "datum.zero && !datum.known", x, _DETAIL - 5, norms),
        ],
    }


def _edge(sign: str, test: str, x: View, height: int, norms: MapNorms) -> View:
    text = {"condition": {"test": test, "value": sign}, "value": ""}
    encoding = {"x": x, "y": {"value": height}, "text": text, "tooltip": _told(norms)}
    return {"mark": {"type": "text", "fontSize": 10, "color": BAD, "clip": True}, "encoding": encoding}
