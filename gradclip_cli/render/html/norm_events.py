"""What happens to the norm of the whole, as marks: it explodes, is not finite or zero, and something rises first."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradclip_cli.render.html.norm_axis import HEIGHT, drawn
from gradclip_cli.render.html.norm_line import NormLine
from gradclip_cli.render.html.norm_marks import EXPLODING, IS_ZERO, NOT_FINITE, Kind, encoded
from gradclip_cli.render.html.norm_points import Marked, NormPoints
from gradclip_cli.render.html.picture import View
from gradclip_cli.render.html.theme import RULE
from gradclip_cli.thresholds.samples import Mask

_LABELS, _NEAR = 8, 0.07
"""The most explosions whose step is written beside them, and the share of the width that such a text takes."""


def events(line: NormLine) -> list[View]:
    """Return the layers of marks that a line has."""
    return [
        *_exploding(line),
        *_edge(line, ~np.isfinite(line.points.norms), NOT_FINITE, 4),
        *_edge(line, line.points.norms == 0, IS_ZERO, HEIGHT - 4),
        *_first(line),
    ]


def _exploding(line: NormLine) -> list[View]:
    """Return rings around the norms that explode, and the steps of the highest of them."""
    points = line.points
    marked = points.marked(points.exploding)
    if not marked:
        return []
    rows = [{**_row(points, one, EXPLODING), "norm": drawn(points.norms[one.row])} for one in marked]
    for k in _apart(line, marked):
        rows[k]["text"] = str(rows[k]["at"])
    ring = {"type": "point", "filled": True, "opacity": 1, "size": 150}
    text = {"type": "text", "dy": -12, "fontSize": 10, "fontWeight": "bold"}
    place = {"x": line.x(), "y": line.y()}
    told = [_named(EXPLODING), {"field": "norm", "type": "quantitative", "format": ".4~g", "title": "norm"}]
    shown: list[View] = [
        {"mark": ring, "encoding": {**place, **encoded(line.kinds), "tooltip": told}},
        {
            "transform": [{"filter": "isValid(datum.text)"}],
            "mark": text,
            "encoding": {**place, "text": {"field": "text", "type": "nominal"}},
        },
    ]
    return [{"data": {"values": rows}, "layer": shown}]


def _row(points: NormPoints, one: Marked, kind: Kind) -> dict[str, Any]:
    return {"at": points.places[one.row], "where": _several(points, one), "kind": kind.label}


def _several(points: NormPoints, one: Marked) -> str:
    """Name the dump of a mark, or count those that it stands for."""
    name = points.name(one.row)
    return name if one.count == 1 else f"{one.count:,} of {points.group(one.row)}, such as {name}"


def _named(kind: Kind) -> dict[str, str]:
    return {"field": "where", "type": "nominal", "title": kind.label}


def _apart(line: NormLine, marked: Sequence[Marked]) -> list[int]:
    """Return which marks have a text beside them: the highest, as far as their texts do not cover each other."""
    low, high = line.ends
    found: dict[int, float] = {}
    for k in sorted(range(len(marked)), key=lambda k: -line.points.norms[marked[k].row]):
        at = (line.points.places[marked[k].row] - low) / (high - low or 1)
        if len(found) < _LABELS and all(abs(at - other) >= _NEAR for other in found.values()):
            found[k] = at
    return list(found)


def _edge(line: NormLine, which: Mask, kind: Kind, height: int) -> list[View]:
    """Return marks at an edge for norms that a logarithmic axis has no place for."""
    rows = [_row(line.points, one, kind) for one in line.points.marked(which)]
    mark = {"type": "point", "filled": True, "opacity": 1, "size": 60}
    encoding = {"x": line.x(), "y": {"value": height}, **encoded(line.kinds), "tooltip": [_named(kind)]}
    return [{"data": {"values": rows}, "mark": mark, "encoding": encoding}] if rows else []


def _first(line: NormLine) -> list[View]:
    """Return a line at the step of what rose first, with its name on the side where there is room."""
    if line.rise is None:
        return []
    place, (low, high) = line.points.places[line.rise], line.ends
    align, dx = ("right", -5) if place - low > 0.6 * (high - low) else ("left", 5)
    text = {"type": "text", "align": align, "dx": dx, "fontSize": 10, "limit": 260}
    named = {"x": line.x(), "y": {"value": HEIGHT - 16}, "text": {"field": "text", "type": "nominal"}}
    shown: list[View] = [
        {"mark": {"type": "rule", "strokeDash": [1, 3], "color": RULE}, "encoding": {"x": line.x()}},
        {"mark": text, "encoding": named},
    ]
    return [{"data": {"values": [{"at": place, "text": line.first}]}, "layer": shown}]
