"""The map of a run: layers over steps, each norm beside the median of its own layer; and the line of the row that is picked."""

import numpy as np

from gradclip_cli.render.html.heat import WIDTH, Values, colour, rings, x_axis
from gradclip_cli.render.html.map_norms import MapNorms, Rise, map_norms, sentence_of, table_of
from gradclip_cli.render.html.picture import PICKED, Picture, View
from gradclip_cli.render.html.pooled import FEWER_COLUMNS, NONFINITE, ZERO
from gradclip_cli.render.html.steps import name_of, places
from gradclip_cli.render.html.theme import BAD, NORM
from gradclip_cli.reports.run import RunReport
from gradclip_cli.text import capital, shortlist

_APART = {"resolve": {"scale": {"color": "independent"}}}
_DETAIL = 120
"""The height of the line below the map, in pixels."""


def picture(report: RunReport) -> Picture | None:
    """Draw the norm of each layer at each step, or of each block or kind; None for a run without layers, or of one dump."""
    norms = map_norms(report)
    if norms is None:
        return None
    linked = {**_data(norms), "vconcat": [_view(norms, linked=True), _detail(norms)], **_APART}
    fewer = norms._replace(heat=norms.heat.of_columns(FEWER_COLUMNS))
    alone = {**_data(fewer), **_view(fewer, linked=False)}
    return Picture(_title(norms), sentence_of(norms), [linked], alone, [table_of(norms)])


def _title(norms: MapNorms) -> str:
    return f"{capital(norms.heat.rows.part)}s over steps"


def _data(norms: MapNorms) -> View:
    """Return the rows of the map, each with its median; `none` says that it has no line."""
    heat = norms.heat
    usual = np.zeros(len(heat.rows.names)) if heat.several else norms.usual
    drawn = np.logical_or.reduce(np.abs(heat.cells.cells) < -ZERO, axis=1)
    more = [
        {**({"median": float(f"{value:.4g}")} if value > 0 else {}), **({} if any_ratio else {"none": 1})}
        for value, any_ratio in zip(usual.tolist(), drawn.tolist(), strict=True)
    ]
    found = heat.data(more)
    value = "pow(10, datum.log)" if heat.several else "pow(10, log(datum.median) / LN10 + datum.log)"
    found["transform"].append({"calculate": f"datum.known ? {value} : null", "as": "norm"})
    return found


def _told(norms: MapNorms) -> Values:
    """Return what a cell tells when it is pointed at."""
    figures = [{"field": "norm", "format": ".2~g"}, {"field": "median", "title": "median norm"}]
    return norms.heat.told("times its median", *([] if norms.heat.several else figures))


def _view(norms: MapNorms, *, linked: bool) -> View:
    heat = norms.heat
    shade = colour(f"times the median of its {heat.rows.part}", heat.cells)
    subtitle = heat.subtitle("stands highest", " Click a row to draw it below." if linked else "")
    found = heat.view(_title(norms), subtitle, shade, _told(norms), linked=linked)
    ground, *cells = found["layer"]
    if linked:
        pick = {
            "type": "point",
            "fields": ["row"],
            "on": "click[event.item && event.item.datum && event.item.datum.row]",
            "clear": False,
            "toggle": False,
        }
        ground = {"params": [{"name": PICKED, "select": pick, "value": [{"row": norms.picked()}]}], **ground}
    return {**found, "layer": [ground, *cells, *_marks(norms, x_axis(heat.dumps, linked=linked))]}


def _marks(norms: MapNorms, x: View) -> list[View]:
    """Mark what rose first: a sign above its step, and rings around its rows."""
    rise = norms.rise
    if rise is None:
        return []
    dumps = norms.heat.dumps
    at = {"at": places(dumps)[rise.dump], "says": _says(rise, name_of(dumps[rise.dump]))}
    sign = {"type": "text", "text": "▼ first", "align": "left", "dx": -4, "fontSize": 10, "clip": True}
    told = [{"field": "says", "title": "first"}]
    encoding = {"x": {**x, "field": "at"}, "tooltip": told, "y": {"value": 7}}
    above = {"data": {"values": [at]}, "mark": sign, "encoding": encoding}
    return [above, *rings(x, [{"row": label, **at} for label in rise.labels], tooltip=told)]


def _says(rise: Rise, step: str) -> str:
    what = shortlist(rise.first.names, 3) if rise.first.names else "all blocks rise together"
    return f"{what} at step {step}"


def _detail(norms: MapNorms) -> View:
    """Draw the row that is picked as a line; what is not finite stands at the top, what is 0 at the bottom.

    A scale without a number fails in the browser: hidden ends hold that of the steps, a hidden line that of a row without norms.
    """
    heat, columns = norms.heat, norms.heat.columns
    x = x_axis(heat.dumps, linked=True, field="at", grid=True)
    title = "picked row, times the median" if heat.several else "norm of the picked row"
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
