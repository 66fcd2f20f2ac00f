"""Which layers and tensors are NaN or infinite, at which steps, and which one was first."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradclip_cli.render.html.heat import columns_of, x_axis
from gradclip_cli.render.html.picture import NumberTable, Picture, View
from gradclip_cli.render.html.pooled import starts_of
from gradclip_cli.render.html.rows import NormMatrix, matrix_of
from gradclip_cli.render.html.steps import name_of
from gradclip_cli.render.html.theme import BAD, OVER, RULE
from gradclip_cli.render.tables.grid import dump_name, figure, layer_name
from gradclip_cli.reports.run import RunReport
from gradclip_cli.reports.stats import StatsReport
from gradclip_cli.reports.stats_findings import NonfiniteTensor
from gradclip_cli.text import plural, printable

_WIDTH = 620
_MOST_ROWS = 60
"""Layers or tensors in a picture at most, the first to go bad; a table has more."""

_MOST_IN_TABLE = 200

Values = list[dict[str, Any]]


def picture(report: RunReport) -> Picture | None:
    """Draw the layers that are not finite somewhere over steps, or the tensors of one dump; None where all is finite."""
    stats = report.stats
    named = stats.series and (stats.series.layers or stats.series.blocks)
    if named and named.names:
        return _of_series(stats, matrix_of(named))
    return _of_one_dump(stats) if stats.nonfinite else None


def _of_series(stats: StatsReport, matrix: NormMatrix) -> Picture | None:
    lost = matrix.present & ~np.isfinite(matrix.norms)
    rows = np.flatnonzero(lost.any(axis=1))
    if not rows.size:
        return None
    begin = lost[rows].argmax(axis=1)
    last_first = rows[np.lexsort((-rows, begin))]  # in a step, what is nearest to the loss went bad first
    shown = last_first[:_MOST_ROWS]
    names = [layer_name(matrix.layers[k], stats.labels) for k in shown.tolist()]
    values = _marks(stats, matrix, shown, names)
    linked, alone = (_view(stats, values, names, len(rows), linked=one) for one in (True, False))
    tables = [_layers_table(stats, matrix, last_first), *([_tensors_table(stats)] if stats.nonfinite else [])]
    return Picture("NaN and Inf", _says(stats, lost, names[0]), [linked], alone, tables)


def _marks(stats: StatsReport, matrix: NormMatrix, shown: Any, names: Sequence[str]) -> Values:
    """Return a mark for each layer and column of steps in which it is not finite, the first dump of each with what it is."""
    starts = starts_of(len(stats.dumps))
    found: Values = []
    for row, name in zip(shown.tolist(), names, strict=True):
        norms, lost = matrix.norms[row], matrix.present[row] & ~np.isfinite(matrix.norms[row])
        nan = np.logical_or.reduceat(lost & np.isnan(norms), starts).tolist()
        inf = np.logical_or.reduceat(lost & np.isinf(norms), starts).tolist()
        for column, has_nan, has_inf in zip(columns_of(stats.dumps, starts), nan, inf, strict=True):
            if has_nan or has_inf:
                at = (column["from"] + column["to"]) / 2
                found.append({"row": name, "at": at, "step": column["steps"], "what": "NaN" if has_nan else "Inf"})
    found[0]["first"] = True
    return found


def _view(stats: StatsReport, values: Values, names: Sequence[str], count: int, *, linked: bool) -> View:
    x = x_axis(stats.dumps, linked=linked, field="at", grid=True)
    edges = columns_of(stats.dumps, [0])[0]
    y: View = {
        "field": "row",
        "type": "nominal",
        "title": None,
        "axis": {"labelLimit": 160, "labelOverlap": True, "labelFontSize": 9},
    }
    y["scale"] = {"domain": list(names), "paddingOuter": 0.5}
    kind = {"field": "what", "type": "nominal", "title": None, "legend": {"orient": "top"}}
    shape = {**kind, "scale": {"domain": ["NaN", "Inf"], "range": ["cross", "triangle-up"]}}
    hue = {**kind, "scale": {"domain": ["NaN", "Inf"], "range": [BAD, OVER]}}
    told = [{"field": "row", "title": "layer"}, {"field": "step"}, {"field": "what", "title": "norm"}]
    ring = {"type": "point", "shape": "circle", "size": 200, "color": OVER, "strokeWidth": 2, "clip": True}
    ends = {"values": [{"at": edges["from"]}, {"at": edges["to"]}]}
    more = f" The first {len(names)} of {count:,} layers." if count > len(names) else ""
    return {
        "title": {
            "text": "NaN and Inf",
            "subtitle": [f"Layers that are not finite, the first on top, with a ring.{more}"],
        },
        "width": _WIDTH,
        "height": max(40, min(16, 480 // len(names)) * len(names)),
        "data": {"values": values},
        "layer": [
            {"data": ends, "mark": {"type": "point", "opacity": 0, "tooltip": None}, "encoding": {"x": x}},
            {
                "mark": {"type": "point", "filled": True, "opacity": 1, "size": 40, "clip": True, "aria": False},
                "encoding": {"x": x, "y": y, "shape": shape, "color": hue, "tooltip": told},
            },
            {"data": {"values": values[:1]}, "mark": ring, "encoding": {"x": x, "y": y, "tooltip": told}},
        ],
    }


def _says(stats: StatsReport, lost: Any, first: str) -> str:
    dumps = np.flatnonzero(lost.any(axis=0)).tolist()
    layers = int(lost.any(axis=1).sum())
    where = f"{plural(layers, 'layer')} in {plural(len(dumps), 'dump')} not finite"
    return f"{where}, first {_first(stats, first)} at step {name_of(stats.dumps[dumps[0]])}."


def _first(stats: StatsReport, layer: str) -> str:
    """Name the first tensor where it is known, with what it holds, or else the layer."""
    if not stats.nonfinite:
        return layer
    tensor = stats.nonfinite[0]
    return f"{printable(tensor.name)} ({tensor.kind} at index {tensor.index})"


def _layers_table(stats: StatsReport, matrix: NormMatrix, rows: Any) -> NumberTable:
    found = []
    for row in rows[:_MOST_IN_TABLE].tolist():
        lost = np.flatnonzero(matrix.present[row] & ~np.isfinite(matrix.norms[row])).tolist()
        ends = [name_of(stats.dumps[lost[0]]), name_of(stats.dumps[lost[-1]])]
        name, norm = layer_name(matrix.layers[row], stats.labels), figure(float(matrix.norms[row, lost[0]]))
        found.append([name, *ends, f"{len(lost):,}", norm])
    cut = f" (the first {_MOST_IN_TABLE} of {len(rows):,})" if len(rows) > _MOST_IN_TABLE else ""
    return NumberTable(
        f"Layers that are not finite{cut}", ["layer", "first step", "last step", "dumps", "first norm"], found
    )


def _tensors_table(stats: StatsReport) -> NumberTable:
    found = [[_step(one), printable(one.name), *_counts(one)] for one in stats.nonfinite[:_MOST_IN_TABLE]]
    cut = f" (the first {_MOST_IN_TABLE} of {len(stats.nonfinite):,})" if len(stats.nonfinite) > _MOST_IN_TABLE else ""
    heads = ["step", "tensor", "NaN", "+Inf", "-Inf", "elements", "first", "at index"]
    return NumberTable(f"Tensors in the first dump in which each is not finite{cut}", heads, found)


def _step(one: NonfiniteTensor) -> str:
    return dump_name(one.step, None, one.input, word="")


def _counts(one: NonfiniteTensor) -> list[str]:
    return [*(f"{count:,}" for count in (one.nan, one.posinf, one.neginf, one.elements)), one.kind, str(one.index)]


def _of_one_dump(stats: StatsReport) -> Picture:
    tensors = stats.nonfinite[:_MOST_ROWS]
    names = [printable(one.name) for one in tensors]
    values = [
        {"tensor": name, "what": kind, "share": count / max(1, one.elements), "count": count}
        for name, one in zip(names, tensors, strict=True)
        for kind, count in (("NaN", one.nan), ("+Inf", one.posinf), ("-Inf", one.neginf))
        if count
    ]
    x = {"field": "share", "type": "quantitative", "title": "share of its elements", "axis": {"format": "%"}}
    y = {"field": "tensor", "type": "nominal", "sort": None, "title": None, "axis": {"labelLimit": 220}}
    hue: View = {"field": "what", "type": "nominal", "title": None, "legend": {"orient": "top"}}
    hue |= {"scale": {"domain": ["NaN", "+Inf", "-Inf"], "range": [BAD, OVER, RULE]}}
    told = [
        {"field": "tensor"},
        {"field": "what"},
        {"field": "count", "format": ","},
        {"field": "share", "format": ".2%"},
    ]
    more = f" The first {len(tensors)} of {len(stats.nonfinite):,}." if len(stats.nonfinite) > len(tensors) else ""
    view: View = {
        "title": {
            "text": "NaN and Inf",
            "subtitle": [f"Tensors that are not finite, from the last layer to the first.{more}"],
        },
        "width": _WIDTH - 60,
        "height": max(40, 16 * len(names)),
        "data": {"values": values},
        "mark": "bar",
        "encoding": {"x": x, "y": y, "color": hue, "tooltip": told},
    }
    says = f"{plural(len(stats.nonfinite), 'tensor')} not finite, first {_first(stats, names[0])}."
    return Picture("NaN and Inf", says, [view], view, [_tensors_table(stats)])
