"""The norm of the whole over the steps of a run, as lines: before clipping and after, of this run and of another."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from gradclip_cli.render.html.norm_axis import NormAxis, drawn
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
    of_other,
    of_rule,
)
from gradclip_cli.render.html.norm_points import NormPoints, size_of
from gradclip_cli.render.html.picture import ZOOM, View
from gradclip_cli.render.html.slider import LIMIT, POSITION, Slider
from gradclip_cli.render.html.steps import step_ticks

_LARGE = 40
"""The area of a point above the threshold in square pixels."""


@dataclass(frozen=True)
class NormLine:
    """What is drawn: the norms of a run, those of another where there is one, and what they are called.

    `first` says what rose first, in the dump of row `rise`; `chosen` has the threshold of each dump by an adaptive `rule`.
    """

    points: NormPoints
    against: NormPoints | None
    names: tuple[str, str]
    axis: NormAxis
    slider: Slider | None
    first: str
    rise: int | None
    rule: str
    chosen: Sequence[float] | None
    epsilon: float
    x_title: str

    @cached_property
    def kinds(self) -> list[Kind]:
        """The kinds of marks that it has, for the legend."""
        has = {
            IS_NORM: bool(self.points.positive.any()),
            IS_OVER: self.slider is not None,
            IS_LIMIT: self.slider is not None,
            IS_AFTER: self.slider is not None,
            of_rule(self.rule): self.chosen is not None,
            EXPLODING: bool(self.points.exploding.any()),
            NOT_FINITE: not np.isfinite(self.points.norms).all(),
            IS_ZERO: bool((self.points.norms == 0).any()),
            of_other(self.names[1]): self.against is not None,
        }
        return [kind for kind, shown in has.items() if shown]

    @cached_property
    def norms_beside(self) -> dict[int, float]:
        """The norms of the other run by their places."""
        return dict(zip(self.against.places, self.against.norms.tolist(), strict=True)) if self.against else {}

    @property
    def ends(self) -> tuple[int, int]:
        """The first and the last place on the axis of steps."""
        runs = [self.points, *([self.against] if self.against else [])]
        return min(run.places[0] for run in runs), max(run.places[-1] for run in runs)

    def x(self) -> dict[str, Any]:
        """Return the encoding by steps; the ends are fixed, since a brush on a scale that a slider makes anew fails."""
        low, high = self.ends
        scale = {"nice": False, "domain": [low, high] if low < high else [low - 0.5, high + 0.5]}
        return {
            "field": "at",
            "type": "quantitative",
            "title": self.x_title,
            "scale": scale,
            "axis": step_ticks(low, high),
        }

    def y(self, field: str = "norm") -> dict[str, Any]:
        """Return the encoding of a field by height."""
        return self.axis.y(field, title=self.names[0])


def lines(line: NormLine, *, linked: bool) -> list[View]:
    """Return the layers with the lines and their points; `linked` brings the brush."""
    over = f"datum.until > {POSITION}" if line.slider else "false"
    columns = _columns(line)
    calculated = [{"calculate": f"{over} ? '{IS_OVER.label}' : '{IS_NORM.label}'", "as": "kind"}]
    if line.slider is not None:
        calculated.append({"calculate": f"{over} ? {_after(line.epsilon)} : datum.norm", "as": "after"})
    drawn_lines = [
        *([_line(line, "chosen", of_rule(line.rule), [4, 2])] if line.chosen is not None else []),
        *([_line(line, "after", IS_AFTER, [4, 2])] if line.slider else []),
        {**_line(line, "norm", IS_NORM), **(_brush() if linked else {})},
        _points(line, columns, over),
    ]
    own: View = {
        "data": {"values": [columns]},
        "transform": [{"flatten": list(columns)}, *calculated],
        "layer": drawn_lines,
    }
    return [*_other(line), own]


def _columns(line: NormLine) -> dict[str, list[Any]]:
    """Return the points as columns, which take less room than rows; `until` says up to which position the slider clips them."""
    points = line.points
    rows = points.largest()
    found: dict[str, list[Any]] = {"at": [points.places[row] for row in rows], "norm": _heights(points, rows)}
    if line.slider is not None:
        compared = np.where(points.positive, points.norms, 0.0)[rows] + line.epsilon
        found["until"] = line.slider.clipped_below(compared)
    if line.chosen is not None:
        found["chosen"] = [_on_axis(line.chosen[row]) for row in rows]
    if line.against is not None:
        found["other"] = [_on_axis(line.norms_beside.get(place, math.nan)) for place in found["at"]]
    if points.need_names:
        found["where"] = [points.where(row) for row in rows]
    return found


def _heights(points: NormPoints, rows: Iterable[int]) -> list[float | None]:
    return [_on_axis(float(points.norms[row])) for row in rows]


def _on_axis(value: float) -> float | None:
    """Return a value that a logarithmic axis can show, None for any other, where a line breaks off."""
    return drawn(value) if 0 < value < math.inf else None


def _after(epsilon: float) -> str:
    """Return the expression of a norm after clipping; it divides first, since a product may overflow."""
    return f"{LIMIT} * (datum.norm / (datum.norm + {epsilon!r}))" if epsilon else LIMIT


def _brush() -> View:
    return {"params": [{"name": ZOOM, "select": {"type": "interval", "encodings": ["x"]}}]}


def _line(line: NormLine, field: str, kind: Kind, dash: Sequence[int] = ()) -> View:
    mark = {"type": "line", "color": kind.color, "strokeWidth": 2 if dash else 1.5, "clip": True}
    dashed = {"strokeDash": list(dash)} if dash else {}
    return {"mark": {**mark, **dashed}, "encoding": {"x": line.x(), "y": line.y(field)}}


def _points(line: NormLine, columns: dict[str, list[Any]], over: str) -> View:
    titles = {
        "norm": "norm",
        "after": IS_AFTER.label if line.slider else "",
        "chosen": of_rule(line.rule).label if line.chosen is not None else "",
        "other": line.names[1],
    }
    place = {"field": "where" if "where" in columns else "at", "type": "nominal", "title": line.x_title}
    figures = [
        {"field": field, "type": "quantitative", "format": ".4~g", "title": title}
        for field, title in titles.items()
        if title
    ]
    size = {
        "condition": {"test": over, "value": _LARGE},
        "value": size_of(len(columns["at"])),
    }
    encoding = {"x": line.x(), "y": line.y(), "size": size, **encoded(line.kinds), "tooltip": [place, *figures]}
    mark = {"type": "point", "filled": True, "opacity": 1}
    return {"transform": [{"filter": "isValid(datum.norm)"}], "mark": mark, "encoding": encoding}


def _other(line: NormLine) -> list[View]:
    if line.against is None:
        return []
    rows = line.against.largest()
    columns = {"at": [line.against.places[row] for row in rows], "norm": _heights(line.against, rows)}
    data = {"data": {"values": [columns]}, "transform": [{"flatten": list(columns)}]}
    return [{**data, **_line(line, "norm", of_other(line.names[1]), [6, 3])}]
