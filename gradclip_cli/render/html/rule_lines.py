"""The thresholds that rules choose and a user tries, as lines over the norms, with names that do not cover each other."""

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from gradclip_cli.render.html.norm_axis import HEIGHT, NormAxis, drawn
from gradclip_cli.render.html.theme import RULE
from gradclip_cli.render.tables.grid import figure
from gradclip_cli.reports.stats import StatsReport
from gradclip_cli.strategies.builtin import GLOBAL

if TYPE_CHECKING:
    from gradclip_cli.reports.stats_thresholds import Advised, Candidate, Suggestion

_APART = 12
"""The least distance of two names in pixels."""

_ROOM = 120
"""The room for names beside the line, in pixels."""


class RuleLine(NamedTuple):
    """A threshold, and what chooses it."""

    threshold: float
    name: str

    @property
    def text(self) -> str:
        """Its value and its name: the value stays whole where there is no room for both."""
        return f"{figure(self.threshold)} {self.name}"


def rule_lines(stats: StatsReport) -> list[RuleLine]:
    """Return the thresholds for the norm of the whole, the smallest first; what has the same threshold shares a line."""
    named = dict[str, list[str]]()
    values = dict[str, float]()
    for name, threshold in _all(stats):
        values.setdefault(figure(threshold), threshold)
        names = named.setdefault(figure(threshold), [])
        names += [name] if name not in names else []
    return sorted(RuleLine(values[key], ", ".join(names)) for key, names in named.items())


def _all(stats: StatsReport) -> Iterator[tuple[str, float]]:
    rows: list[Candidate | Suggestion | Advised] = [*stats.candidates, *stats.advised]
    rows += [] if stats.replay else stats.suggestions  # an adaptive rule has a threshold for each step
    for row in rows:
        if row.strategy == GLOBAL.name and row.threshold and row.rule is not None:
            yield row.rule, row.threshold
    for tried in stats.tries or ():
        if tried.strategy == GLOBAL.name and tried.threshold:
            yield tried.rule or "try", tried.threshold


def drawn_rules(lines: Sequence[RuleLine], axis: NormAxis) -> list[dict[str, Any]]:
    """Return layers with the lines that the axis holds, and their names on the right of it."""
    held = [line for line in lines if axis.holds(line.threshold)]
    if not held:
        return []
    spots = _apart([_pixel(line.threshold, axis) for line in held])
    values = [
        {"at": drawn(line.threshold), "spot": _value(spot, axis), "rule": line.text}
        for line, spot in zip(held, spots, strict=True)
    ]
    y, right = axis.y("at"), {"value": "width"}
    return [
        {
            "data": {"values": values},
            "mark": {"type": "rule", "strokeDash": [3, 3], "color": RULE, "opacity": 0.8},
            "encoding": {"y": y, "tooltip": {"field": "rule", "type": "nominal"}},
        },
        {
            "data": {"values": values},
            "mark": {"type": "rule", "color": RULE, "x2Offset": 12},
            "encoding": {"y": y, "y2": {"field": "spot"}, "x": right, "x2": right},
        },
        {
            "data": {"values": values},
            "mark": {
                "type": "text",
                "align": "left",
                "baseline": "middle",
                "dx": 15,
                "fontSize": 10,
                "limit": _ROOM - 15,
            },
            "encoding": {
                "y": axis.y("spot"),
                "x": right,
                "text": {"field": "rule", "type": "nominal"},
                "tooltip": {"field": "rule", "type": "nominal"},
            },
        },
    ]


def _pixel(value: float, axis: NormAxis) -> float:
    """Return the distance of a value from the lower end of the axis."""
    return HEIGHT * (math.log10(value) - axis.low) / (axis.high - axis.low)


def _value(pixel: float, axis: NormAxis) -> float:
    return drawn(10 ** (axis.low + (axis.high - axis.low) * pixel / HEIGHT))


def _apart(wanted: Sequence[float]) -> list[float]:
    """Move places, which ascend, as far apart as names need; none is moved out of the axis while there is room in it."""
    found = list(wanted)
    for k in range(1, len(found)):
        found[k] = max(found[k], found[k - 1] + _APART)
    top = float(HEIGHT)
    for k in reversed(range(len(found))):
        found[k] = min(found[k], top)
        top = found[k] - _APART
    return found
