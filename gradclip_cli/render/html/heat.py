"""A map of rows over steps as plain Vega-Lite data: cells as one text a row, which a page unfolds, and marks of all kinds of cells.

What a cell is can be told without its colour: a ratio fills it, a thin line is 0, what is not finite has a mark above its column,
and what is absent is left empty.
"""

import json
from collections.abc import Mapping, Sequence
from itertools import groupby, pairwise
from typing import Any

import numpy as np

from gradclip_cli.inputs.naming import block_of
from gradclip_cli.render.html.picture import ZOOM, View
from gradclip_cli.render.html.pooled import ABSENT, NONFINITE, ZERO, Pooled, Written, least_of, written_cells
from gradclip_cli.render.html.rows import MapRows
from gradclip_cli.render.html.steps import axis_title, name_of, places, step_ticks
from gradclip_cli.render.html.theme import BAD
from gradclip_cli.render.html.theme import ZERO as GREY
from gradclip_cli.reports.stats import StatsDump
from gradclip_cli.text import plural

WIDTH = 680
"""The width of a map: what its labels leave of a page."""

_STRIP = 14
"""The height of the strip above the rows, for marks, in pixels."""

_ALL_LABELS = 40
"""With more rows, only the first of each block and the last row are labelled."""

_APART = 10
"""The least distance of two labels in pixels, which are as high."""

OVERLAP = {"x2Offset": 0.5, "height": {"band": 1.05}}
"""How cells of rows reach into their neighbours: where edges lie within a pixel, the ground would shine through between them."""

Values = list[dict[str, Any]]


def columns_of(dumps: Sequence[StatsDump], starts: Sequence[int]) -> Values:
    """Return the columns of a map: from where to where each reaches, halfway to its neighbours, and which steps it holds."""
    at = places(dumps)
    between = [(a + b) / 2 for a, b in pairwise(at)] or [at[0] + 0.5]
    edges = [2 * at[0] - between[0], *between, 2 * at[-1] - between[-1]]
    found = []
    for k, (start, end) in enumerate(zip(starts, [*starts[1:], len(dumps)], strict=True), 1):
        first, last = name_of(dumps[start]), name_of(dumps[end - 1])
        steps = first if end - start == 1 else f"{first} to {last}"
        found.append({"k": k, "from": edges[start], "to": edges[end], "steps": steps})
    return found


def row_values(
    rows: MapRows, layers: Sequence[str], found: Pooled, more: Sequence[Mapping[str, Any]] | None = None
) -> Values:
    """Return a value for each row, with its cells as one text, and with `more` of its own; `layers` are shown names.

    Where a row has several layers, `w` says for each cell which of them it is of, twice its place, and 1 more where any is 0.
    """
    values: Values = []
    which = None if rows.are_layers else _which(found).rows
    for k, (label, name, cells) in enumerate(
        zip(rows.labels, rows.names, written_cells(found.cells).rows, strict=True)
    ):
        one: dict[str, Any] = {"row": label, "name": name, "c": cells}
        if which is not None:
            one |= {"of": [layers[layer] for layer in rows.layers_of(k)], "w": which[k]}
        values.append(one | dict(more[k] if more else {}))
    return values


def _which(found: Pooled) -> Written:
    return Written.of(2 * found.which + found.any_zero)


def unfolded(columns: Values, found: Pooled, *, several: bool, unit: float = 1.0) -> list[dict[str, Any]]:
    """Return the transforms that make a datum of each cell that is not absent; it tells its ratio times a `unit`."""
    layer, zero = "datum.name", f"datum.c == {ZERO}"
    if several:
        layer, zero = "datum.of[floor(datum.w / 2)]", f"{zero} || datum.w % 2 == 1"
    ratio = "format(pow(10, datum.log), '.2~g')" if unit == 1 else _told(f"{unit!r} * pow(10, datum.log)")
    times = f"datum.c == {ZERO} ? '0' : {ratio}"
    cell = f"datum.c < 3 ? [null, {ZERO}, {NONFINITE}][datum.c] : datum.c + {least_of(found.cells) - 3}"
    return [
        {"calculate": f"sequence(1, {len(columns) + 1})", "as": "k"},
        {"flatten": ["k"]},
        {"calculate": written_cells(found.cells).number("c"), "as": "c"},
        {"filter": "datum.c > 0"},
        {"calculate": cell, "as": "c"},
        *([{"calculate": _which(found).number("w"), "as": "w"}] if several else []),
        {"lookup": "k", "from": {"data": {"values": columns}, "key": "k", "fields": ["from", "to", "steps"]}},
        {"calculate": f"abs(datum.c) < {-ZERO}", "as": "known"},
        {"calculate": zero, "as": "zero"},
        {"calculate": layer, "as": "layer"},
        {"calculate": "datum.c / 100", "as": "log"},
        {"calculate": f"datum.c == {NONFINITE} ? 'not finite' : {times}", "as": "times"},
    ]


def _told(ratio: str) -> str:
    """Return the expression of a ratio as a reader sees it, which may be so small that its zeros hide it."""
    return f"format({ratio}, {ratio} < 1e-4 ? '.2~e' : ',.2~r')"


def x_axis(dumps: Sequence[StatsDump], *, linked: bool, field: str = "from", grid: bool = False) -> dict[str, Any]:
    """Return the axis of steps, on a page that of the brush."""
    domain = {"domain": {"param": ZOOM, "encoding": "x"}} if linked else {}
    scale, at = {"nice": False, "zero": False, **domain}, places(dumps)
    return {
        "field": field,
        "type": "quantitative",
        "title": axis_title(dumps),
        "scale": scale,
        "axis": {**step_ticks(at[0], at[-1]), "grid": grid},
    }


def height_of(rows: MapRows) -> int:
    """Return the height of a map in pixels: rows are high where they are few."""
    count = len(rows.labels)
    return _STRIP + max(3 * count, min(22 * count, 360))


def _heads(rows: MapRows) -> dict[str, str]:
    """Return the labels of rows that are written, and what for: of many, the first of each block and the last of all."""
    if len(rows.labels) <= _ALL_LABELS:
        return dict(zip(rows.labels, rows.labels, strict=True))
    runs = groupby(enumerate(rows.names), lambda row: block_of(row[1]))
    first = {next(several)[0]: block for block, several in runs}
    last, apart = len(rows.labels) - 1, _APART * len(rows.labels) / (height_of(rows) - _STRIP)
    found, end = {last: rows.labels[last]}, last - apart
    for row in sorted(first, reverse=True):
        if row <= end:
            found[row], end = first[row], row - apart
    return {rows.labels[row]: found[row] for row in sorted(found)}


def y_axis(rows: MapRows) -> dict[str, Any]:
    """Return the axis of rows: all labelled where they are few, else the first of each block."""
    heads = _heads(rows)
    texts = {label: name if len(name) <= 20 else label for label, name in heads.items()}
    axis = {
        "values": list(heads),
        "labelExpr": f"{json.dumps(texts)}[datum.value]",
        "labelFontSize": 9,
        "labelLimit": 105,
    }
    axis |= {"ticks": False, "domain": False, "labelOverlap": len(rows.labels) <= _ALL_LABELS, "grid": False}
    scale = {"domain": list(rows.labels), "padding": 0, "range": [_STRIP, height_of(rows)]}
    return {"field": "row", "type": "nominal", "title": None, "axis": axis, "scale": scale}


def colour(title: str, found: Pooled, unit: float = 1.0) -> dict[str, Any]:
    """Return the colours of ratios, as wide as almost all of them need, from a factor of 10 to one of 1,000 either way.

    The legend tells ratios times a `unit`.
    """
    known = np.abs(found.cells[np.abs(found.cells) < -ZERO])
    most = float(min(3.0, max(1.0, np.ceil(np.percentile(known, 99.5) / 50) / 2))) if known.size else 1.0
    legend = {
        "orient": "top",
        "direction": "horizontal",
        "gradientLength": 160,
        "title": title,
        "titleOrient": "left",
        "values": [-int(most), 0, int(most)],
        "labelExpr": "format(pow(10, datum.value), ',.2~r')"
        if unit == 1
        else _told(f"{unit!r} * pow(10, datum.value)"),
    }
    scale = {"domain": [-most, most], "domainMid": 0, "range": "diverging", "interpolate": "lab", "clamp": True}
    return {"field": "log", "type": "quantitative", "scale": scale, "legend": legend}


def cell_layers(
    x: View, rows: MapRows, found: Pooled, columns: Values, shade: Mapping[str, Any], told: Values
) -> list[View]:
    """Return the layers of a map: an empty row each, to click on; then of the cells there are: ratios, 0, and not finite."""
    place: View = {"x": x, "x2": {"field": "to"}, "y": y_axis(rows)}
    plain: View = {"type": "rect", "clip": True, "aria": False}
    ground = [{"row": label, "from": columns[0]["from"], "to": columns[-1]["to"]} for label in rows.labels]
    thin: View = {"color": GREY, "height": {"band": 0.34}}
    loud: View = {"color": BAD, "stroke": BAD, "strokeWidth": 1}
    kinds: list[tuple[str, Any, View, View]] = [
        ("datum.known", np.abs(found.cells) < -ZERO, OVERLAP, {"color": shade}),
        ("datum.zero", found.any_zero, thin, {}),
        (f"datum.c == {NONFINITE}", found.cells == NONFINITE, loud, {}),
    ]
    return [
        {"data": {"values": ground}, "mark": {**plain, "color": "transparent"}, "encoding": place},
        *(
            {
                "transform": [{"filter": test}],
                "mark": plain | look,
                "encoding": place | shown | {"tooltip": told},
            }
            for test, where, look, shown in kinds
            if where.any()
        ),
    ]


def above(x: View, rows: MapRows, found: Pooled, columns: Values) -> list[View]:
    """Return the marks above the columns in which anything is not finite; none where nothing is."""
    counts = (found.cells == NONFINITE).sum(axis=0).tolist()
    values = [
        {
            "at": (one["from"] + one["to"]) / 2,
            "says": f"{count} of {plural(len(rows.names), 'row')}",
            "steps": one["steps"],
        }
        for one, count in zip(columns, counts, strict=True)
        if count
    ]
    mark = {"type": "text", "text": "✕", "fontSize": 11, "color": BAD, "clip": True}
    told = [{"field": "steps", "title": "step"}, {"field": "says", "title": "not finite"}]
    encoding = {"x": {**x, "field": "at"}, "y": {"value": _STRIP / 2}, "tooltip": told}
    return [{"data": {"values": values}, "mark": mark, "encoding": encoding}] if values else []


def legend_of(found: Pooled, nonfinite: str = "not finite", zero: str = "0", absent: str = "absent") -> list[str]:
    """Say how to tell cells that are no ratio, of the kinds that a map has, in one line or none."""
    kinds = {
        f"✕ above, and cells of its colour: {nonfinite}": (found.cells == NONFINITE).any(),
        f"thin line: {zero}": found.any_zero.any(),
        f"empty: {absent}": (found.cells == ABSENT).any(),
    }
    texts = [text for text, there in kinds.items() if there]
    return [f"{'; '.join(texts).capitalize()}."] if texts else []


def rings(x: View, values: Values, size: int = 130, **told: Any) -> list[View]:
    """Return rings around cells, each at its `row` and where it is `at`, which are seen on any colour."""
    ring: View = {"type": "point", "shape": "circle", "size": size, "filled": False, "clip": True}
    place = {"x": {**x, "field": "at"}, **told, "y": {"field": "row", "type": "nominal"}}
    return [
        {"data": {"values": values}, "mark": {**ring, "color": color, "strokeWidth": width}, "encoding": place}
        for color, width in (("white", 4), ("black", 1.5))
        if values
    ]
