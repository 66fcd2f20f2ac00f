"""The norm of the whole over the steps of a run, as a view: lines, and marks on them."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gradclip_cli.render.html.norm_axis import HEIGHT, NormAxis, drawn
from gradclip_cli.render.html.norm_marks import (
    EXPLODING,
    IS_AFTER,
    IS_LIMIT,
    IS_NORM,
    IS_OVER,
    IS_ZERO,
    NOT_FINITE,
    Kind,
    encoded,
    other,
)
from gradclip_cli.render.html.norm_points import Marked, NormPoints
from gradclip_cli.render.html.picture import ZOOM, View
from gradclip_cli.render.html.slider import LIMIT, POSITION, Slider
from gradclip_cli.reports.check import FirstRise
from gradclip_cli.text import printable, times

_LABELS, _NEAR = 8, 0.07
"""The most explosions whose step is written beside them, and the share of the width that such a text takes."""


class NormLine(NamedTuple):
    """What is drawn: the norms of a run, those of another where there is one, and what they are called."""

    points: NormPoints
    against: NormPoints | None
    names: tuple[str, str]
    axis: NormAxis
    slider: Slider | None
    first: FirstRise | None
    epsilon: float
    x_title: str

    @property
    def kinds(self) -> list[Kind]:
        """The kinds of marks that it has, for the legend."""
        finite = np.isfinite(self.points.norms)
        has = {
            IS_NORM: True,
            IS_OVER: self.slider is not None,
            IS_LIMIT: self.slider is not None,
            IS_AFTER: self.slider is not None,
            EXPLODING: bool(self.points.exploding().any()),
            NOT_FINITE: not finite.all(),
            IS_ZERO: bool((self.points.norms == 0).any()),
            self.other: self.against is not None,
        }
        return [kind for kind, shown in has.items() if shown]

    @property
    def other(self) -> Kind:
        """The line of the other run."""
        return other(self.names[1])

    def x(self, field: str = "at") -> dict[str, Any]:
        """Return the encoding of a field by steps; the ends are fixed, since a brush on a scale that a slider makes anew fails."""
        both = [*self.points.places, *(self.against.places if self.against else [])]
        low, high = min(both), max(both)
        domain = [low, high] if low < high else [low - 0.5, high + 0.5]
        scale = {"nice": False, "domain": domain}
        return {"field": field, "type": "quantitative", "title": self.x_title, "scale": scale, "axis": {"tickMinStep": 1}}


def layers(line: NormLine, *, linked: bool) -> list[View]:
    """Return the layers of a line, each with what it draws; `linked` brings the brush."""
    return [
        *_other(line),
        *_line(line, linked=linked),
        *_exploding(line),
        *_edge(line, ~np.isfinite(line.points.norms), NOT_FINITE, 4),
        *_edge(line, line.points.norms == 0, IS_ZERO, HEIGHT - 4),
        *_first(line),
    ]


def _line(line: NormLine, *, linked: bool) -> list[View]:
    points = line.points
    chosen = points.largest()
    norms = [drawn(points.norms[one.row]) if one.count else None for one in chosen]
    columns: dict[str, Any] = {"at": [points.places[one.row] for one in chosen], "norm": norms}
    compared = points.norms[[one.row for one in chosen]] + line.epsilon
    if line.slider is not None:
        columns["until"] = line.slider.clipped_below(np.where(np.isfinite(compared), compared, 0.0))
    title = "norm"
    if line.against is not None:
        columns["other"] = _at_same_steps(line.against, columns["at"])
    if _is_named(points):
        columns["where"] = [points.where(one.row) for one in chosen]
    over = f"datum.until > {POSITION}" if line.slider else "false"
    factor = f"{LIMIT} / (datum.norm + {line.epsilon!r})" if line.epsilon else f"{LIMIT} / datum.norm"
    shared = {
        "data": {"values": [columns]},
        "transform": [
            {"flatten": list(columns)},
            {"calculate": f"{over} ? '{IS_OVER.label}' : '{IS_NORM.label}'", "as": "kind"},
            *([{"calculate": f"{over} ? datum.norm * {factor} : datum.norm", "as": "after"}] if line.slider else []),
        ],
    }
    x, y = line.x(), line.axis.y("norm", title=line.names[0])
    tooltip = [
        {"field": "where" if "where" in columns else "at", "type": "nominal", "title": line.x_title},
        {"field": "norm", "type": "quantitative", "format": ".4~g", "title": title},
        *([{"field": "after", "type": "quantitative", "format": ".4~g", "title": IS_AFTER.label}] if line.slider else []),
        *([{"field": "other", "type": "quantitative", "format": ".4~g", "title": line.names[1]}] if line.against else []),
    ]
    brush: View = {"params": [{"name": ZOOM, "select": {"type": "interval", "encodings": ["x"]}}]} if linked else {}
    few = len(chosen) <= 400
    plain = 14 if few else 2
    inner: list[View] = []
    if line.slider is not None:
        mark = {"type": "line", "color": IS_AFTER.color, "strokeDash": [4, 2], "strokeWidth": 2}
        inner.append({"mark": mark, "encoding": {"x": x, "y": {**y, "field": "after"}}})
    inner.append({**brush, "mark": {"type": "line", "color": IS_NORM.color, "strokeWidth": 1.5}, "encoding": {"x": x, "y": y}})
    size = {"condition": {"test": over, "value": 40}, "value": plain}
    inner.append(
        {
            "transform": [{"filter": "isValid(datum.norm)"}],
            "mark": {"type": "point", "filled": True, "opacity": 1},
            "encoding": {"x": x, "y": y, "size": size, **encoded(line.kinds), "tooltip": tooltip},
        }
    )
    return [{**shared, "layer": inner}]


def _is_named(points: NormPoints) -> bool:
    """Whether the place on the axis does not say which dump it is: there are names, or a point stands for several."""
    return points.each > 1 or any(dump.name is not None or dump.step is None for dump in points.dumps)


def _at_same_steps(against: NormPoints, wanted: Sequence[int]) -> list[float | None]:
    """Return the norms of another run at places of this one, None where it has none that is finite."""
    norms = dict(zip(against.places, against.norms.tolist(), strict=True))
    found = [norms.get(place, math.nan) for place in wanted]
    return [drawn(norm) if math.isfinite(norm) else None for norm in found]


def _other(line: NormLine) -> list[View]:
    if line.against is None:
        return []
    points, kind = line.against, line.other
    chosen = points.largest()
    columns = {
        "at": [points.places[one.row] for one in chosen],
        "norm": [drawn(points.norms[one.row]) if one.count else None for one in chosen],
    }
    mark = {"type": "line", "color": kind.color, "strokeDash": [6, 3], "strokeWidth": 1.5}
    shared = {"data": {"values": [columns]}, "transform": [{"flatten": list(columns)}]}
    return [{**shared, "mark": mark, "encoding": {"x": line.x(), "y": line.axis.y("norm", title=line.names[0])}}]


def _exploding(line: NormLine) -> list[View]:
    """Return rings around the norms that explode, and the steps of the highest of them."""
    points = line.points
    marked = points.marked(points.exploding())
    if not marked:
        return []
    rows = [
        {
            "at": points.places[one.row],
            "norm": drawn(points.norms[one.row]),
            "where": _several(points, one),
            "kind": EXPLODING.label,
            "text": "",
        }
        for one in marked
    ]
    for k in _apart(line, marked):
        rows[k]["text"] = f"{rows[k]['at']}"
    x, y = line.x(), line.axis.y("norm")
    tooltip = [
        {"field": "where", "type": "nominal", "title": EXPLODING.label},
        {"field": "norm", "type": "quantitative", "format": ".4~g"},
    ]
    ring = {"type": "point", "filled": True, "opacity": 1, "size": 150}
    text = {"type": "text", "dy": -12, "fontSize": 10, "fontWeight": "bold"}
    return [
        {
            "data": {"values": rows},
            "layer": [
                {"mark": ring, "encoding": {"x": x, "y": y, **encoded(line.kinds), "tooltip": tooltip}},
                {"mark": text, "encoding": {"x": x, "y": y, "text": {"field": "text", "type": "nominal"}}},
            ],
        }
    ]


def _apart(line: NormLine, marked: Sequence[Marked]) -> list[int]:
    """Return which marks have a text beside them: the highest, as far as their texts do not cover each other."""
    low, high = line.x()["scale"]["domain"]
    taken: list[float] = []
    found = []
    for k in sorted(range(len(marked)), key=lambda k: -line.points.norms[marked[k].row]):
        at = (line.points.places[marked[k].row] - low) / (high - low)
        if len(found) < _LABELS and all(abs(at - other) >= _NEAR for other in taken):
            taken.append(at)
            found.append(k)
    return found


def _several(points: NormPoints, one: Marked) -> str:
    """Name the dump of a mark, or count those that it stands for."""
    if one.count == 1:
        return points.where(one.row) if points.each == 1 else points.name(one.row)
    return f"{one.count:,} of {points.group(one.row)}, such as {points.name(one.row)}"


def _edge(line: NormLine, which: Any, kind: Kind, height: int) -> list[View]:
    """Return marks at an edge for norms that a logarithmic axis has no place for."""
    points = line.points
    rows = [
        {"at": points.places[one.row], "where": _several(points, one), "kind": kind.label} for one in points.marked(which)
    ]
    if not rows:
        return []
    tooltip = {"field": "where", "type": "nominal", "title": kind.label}
    mark = {"type": "point", "filled": True, "opacity": 1, "size": 60}
    encoding = {"x": line.x(), "y": {"value": height}, **encoded(line.kinds), "tooltip": tooltip}
    return [{"data": {"values": rows}, "mark": mark, "encoding": encoding}]


def _first(line: NormLine) -> list[View]:
    """Return a line at the step of what rose first, with its name."""
    first, points = line.first, line.points
    row = None if first is None else points.row_of(first.step, first.input)
    if first is None or row is None:
        return []
    low, high = line.x()["scale"]["domain"]
    left = points.places[row] - low > 0.6 * (high - low)
    values = {"data": {"values": [{"at": points.places[row], "text": rise_text(first)}]}}
    text = {"type": "text", "align": "right" if left else "left", "dx": -5 if left else 5, "fontSize": 10, "limit": 260}
    named = {"field": "text", "type": "nominal"}
    return [
        {
            **values,
            "layer": [
                {"mark": {"type": "rule", "strokeDash": [1, 3], "color": EXPLODING.color}, "encoding": {"x": line.x()}},
                {"mark": text, "encoding": {"x": line.x(), "y": {"value": HEIGHT - 16}, "text": named}},
            ],
        }
    ]


def rise_text(first: FirstRise) -> str:
    """Say what rose first."""
    if not first.names:
        return "rose first: several at once"
    more = f" and {len(first.names) - 1} more" if len(first.names) > 1 else ""
    much = f" ({times(first.times[0])})" if math.isfinite(first.times[0]) else " (not finite)"
    return f"rose first: {printable(first.names[0])}{more}{much}"
