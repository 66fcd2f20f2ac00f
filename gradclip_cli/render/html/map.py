"""The map of a run: layers over steps, each norm beside the median of its own layer; and the line of the row that is picked."""

from typing import Any

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
from gradclip_cli.render.html.pooled import NONFINITE
from gradclip_cli.render.html.steps import name_of, places
from gradclip_cli.render.html.theme import BAD, SERIES
from gradclip_cli.reports.run import RunReport
from gradclip_cli.text import shortlist

_DETAIL = 120
"""The height of the line below the map, in pixels."""


def picture(report: RunReport) -> Picture | None:
    """Draw the norm of each layer at each step; None for a run without layers, or of one dump."""
    norms = map_norms(report)
    if norms is None:
        return None
    columns = columns_of(norms.dumps, norms.starts)
    data = {"data": {"values": _values(norms)}, "transform": _transforms(norms, columns)}
    linked = {**data, "vconcat": [_view(norms, columns, linked=True), _detail(norms, columns)]}
    alone = {**data, **_view(norms, columns, linked=False)}
    return Picture("Layers over steps", sentence_of(norms), [linked], alone, [table_of(norms)])


def _values(norms: MapNorms) -> Values:
    usual = [{"median": float(f"{value:.4g}")} if value > 0 else {} for value in norms.usual.tolist()]
    return row_values(norms.rows, norms.shown, norms.cells, usual if norms.rows.are_layers else None)


def _transforms(norms: MapNorms, columns: Values) -> list[dict[str, Any]]:
    value = "datum.median * pow(10, datum.log)" if norms.rows.are_layers else "pow(10, datum.log)"
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
        pick = {"type": "point", "fields": ["row"], "on": "click", "clear": False}
        ground = {"params": [{"name": PICKED, "select": pick, "value": [{"row": norms.picked()}]}], **ground}
    return {
        "title": {"text": "Layers over steps", "subtitle": _subtitle(norms, linked=linked)},
        "width": WIDTH,
        "height": height_of(norms.rows),
        "layer": [ground, *cells, *above(x, norms.rows, norms.cells, columns), *_marks(norms, x)],
    }


def _subtitle(norms: MapNorms, *, linked: bool) -> list[str]:
    highest = "" if norms.rows.are_layers else ", shown by the layer of it that stands highest"
    click = " Click a row to draw it below, with Shift beside others." if linked else ""
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
    """Draw the rows that are picked as lines; what is not finite stands at the top, what is 0 at the bottom."""
    x = x_axis(norms.dumps, linked=True) | {"field": "at", "axis": {"grid": True}}
    title = "norm of the picked row" if norms.rows.are_layers else "picked row, times the median"
    y = {"type": "quantitative", "title": title, "scale": {"type": "log", "nice": False}}
    legend = {"title": None, "orient": "top", "labelLimit": 600, "symbolType": "stroke"}
    hue = {"field": "name", "type": "nominal", "scale": {"range": list(SERIES)}, "legend": legend}
    line = {"type": "line", "strokeWidth": 1.2, "point": {"size": 8}, "clip": True}
    base = "isValid(datum.median) ? datum.median : 1"
    return {
        "width": WIDTH,
        "height": _DETAIL,
        "transform": [
            {"filter": {"param": PICKED, "empty": False}},
            {"calculate": "(datum.from + datum.to) / 2", "as": "at"},
            {"calculate": base, "as": "base"},
        ],
        "layer": [
            _extent(x, y, columns),
            {"mark": line, "encoding": {"x": x, "y": {**y, "field": "norm"}, "color": hue, "tooltip": _told(norms)}},
            _edge("✕", f"datum.c == {NONFINITE}", x, 5, norms),
            _edge("0", "datum.zero && !datum.known", x, _DETAIL - 5, norms),
        ],
    }


def _extent(x: View, y: View, columns: Values) -> View:
    """Return what nobody sees, but what makes the axes reach over all steps, and a row without norms have an axis."""
    ends = {"data": {"values": [{"at": columns[0]["from"]}, {"at": columns[-1]["to"]}]}}
    hidden = {"type": "point", "opacity": 0, "tooltip": None, "aria": False}
    return {
        "layer": [
            {**ends, "mark": hidden, "encoding": {"x": x}},
            {"mark": hidden, "encoding": {"x": x, "y": {**y, "field": "base"}}},
        ]
    }


def _edge(sign: str, test: str, x: View, height: int, norms: MapNorms) -> View:
    text = {"condition": {"test": test, "value": sign}, "value": ""}
    encoding = {"x": x, "y": {"value": height}, "text": text, "tooltip": _told(norms)}
    return {"mark": {"type": "text", "fontSize": 10, "color": BAD, "clip": True}, "encoding": encoding}
