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

ABOVE = 22
"""The height of the strip above a line for what rose first, in pixels."""

_LABELS, _NEAR, _DIGIT = 8, 0.07, 0.035
"""The most explosions whose step is written beside them, and what such a text takes of a narrow width, with each digit."""


_PLACE = {
    "align": {"expr": "datum.side < 0 ? 'right' : datum.side > 0 ? 'left' : 'center'"},
    "dx": {"expr": "9 * datum.side"},
    "dy": {"expr": "datum.side ? -6 : -12"},
}
"""Where a text stands beside its ring."""


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
        rows[k] |= {"text": str(rows[k]["at"]), "side": _side(line, marked[k].row)}
    ring = {"type": "point", "filled": True, "opacity": 1, "size": 150}
    text = {"type": "text", "fontSize": 10, "fontWeight": "bold", **_PLACE}
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


def _near(line: NormLine) -> float:
    """Return the share of a narrow width that the text of a step takes."""
    return max(_NEAR, _DIGIT * len(str(line.ends[1])))


def _side(line: NormLine, row: int) -> int:
    """Return on which side of a ring there is room for a text: -1 where norms rise, 1 where they fall, 0 at a top."""
    low, high = line.ends
    places = np.array(line.points.places)
    norms = np.nan_to_num(line.points.norms, nan=np.inf)
    close = np.abs(places - places[row]) <= _near(line) * (high - low)
    before, after = (norms[close & side].max(initial=0.0) for side in (places < places[row], places > places[row]))
    return 0 if max(before, after) <= norms[row] else -1 if after >= before else 1


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
    near = _near(line)
    found: dict[int, float] = {}
    for k in sorted(range(len(marked)), key=lambda k: -line.points.norms[marked[k].row]):
        at = (line.points.places[marked[k].row] - low) / (high - low or 1)
        if len(found) < _LABELS and all(abs(at - other) >= near for other in found.values()):
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
    align, dx = ("right", 4) if place - low > 0.6 * (high - low) else ("left", -4)
    text = {"type": "text", "align": align, "dx": dx, "fontSize": 10, "limit": 260}
    named = {"x": line.x(), "y": {"value": 8 - ABOVE}, "text": {"field": "text", "type": "nominal"}}
    shown: list[View] = [
        {"mark": {"type": "rule", "strokeDash": [1, 3], "color": RULE}, "encoding": {"x": line.x()}},
        {"mark": text, "encoding": named},
    ]
    return [{"data": {"values": [{"at": place, "text": line.first}]}, "layer": shown}]
