"""Let what Vega-Lite makes of a spec follow the width of the page: titles, legends, and brushes."""

import json
import re
from collections.abc import Iterator
from textwrap import wrap
from typing import Any

NARROW = 640
"""The width below which pictures stand one below another, in pixels."""

_LINES = {"text": 40, "subtitle": 52}
"""The most characters of a line of a title, and of a subtitle, on a narrow page."""

_COLUMNS, _BESIDE, _SYMBOL = 2, 90, 24
"""The most columns of a legend on a narrow page, what stands beside it there, and beside each label of it, in pixels."""

_LABEL = 76
"""The most width of a label beside a picture on a narrow page, in pixels: all pictures begin where the widest one ends."""

_TEXT = 0.5
"""The most share of a narrow page that a text in a picture takes, if it has a limit."""

_GRADIENT = 140
"""The most length of a legend of a scale of colours on a narrow page, in pixels."""

_BRUSHED = re.compile(r'\[scale\("[^"]*", (\w+)\[0\]\)')
"""How a brush is drawn anew where its scale changes."""


def fit_words(vega: dict[str, Any]) -> None:
    """Let titles and legends of a Vega spec be narrow where the page is: `room` is its width."""
    for group in _groups(vega):
        if "title" in group:
            _fold(group["title"])
        for legend in group.get("legends", ()):
            _narrow(legend)
        for axis in group.get("axes", ()):
            _cut(axis)
        for mark in group.get("marks", ()):
            _cut_text(mark)


def guard_brushes(vega: dict[str, Any]) -> None:
    """Let a brush that holds nothing stay as it is where widths change: Vega-Lite would read the ends of what is not there."""
    for group in _groups(vega):
        for signal in group.get("signals", ()):
            for change in signal.get("on", ()):
                if ends := _BRUSHED.match(change.get("update", "")):
                    change["update"] = f"isArray({ends[1]}) ? {change['update']} : {signal['name']}"


def _groups(group: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield group
    for mark in group.get("marks", ()):
        yield from _groups(mark)


def _fold(title: dict[str, Any]) -> None:
    """Give a title as many lines on a narrow page as it needs there."""
    for key, most in _LINES.items():
        if isinstance(title.get(key), str | list):
            whole = [title[key]] if isinstance(title[key], str) else title[key]
            lines = [part for line in whole for part in wrap(line, most)]
            title[key] = _either(json.dumps(lines), json.dumps(whole))


def _narrow(legend: dict[str, Any]) -> None:
    """Put a legend above or below its picture on a narrow page, in few columns, and cut labels that are wider than these."""
    orient, columns = legend.get("orient", "right"), legend.get("columns", 0)
    if orient not in ("top", "bottom"):
        legend["orient"] = _either('"bottom"', json.dumps(orient))
    if "gradientLength" in legend:
        legend["gradientLength"] = _either(str(_GRADIENT), str(legend.get("gradientLength", 200)))
        legend["titleOrient"] = _either('"top"', json.dumps(legend.get("titleOrient", "top")))
        return
    fewer = min(_COLUMNS, columns or _COLUMNS)
    legend["columns"] = _either(str(fewer), str(columns or (0 if orient in ("top", "bottom") else 1)))
    limit = legend.get("labelLimit", 160)
    legend["labelLimit"] = _either(f"min({limit}, (room - {_BESIDE}) / {fewer} - {_SYMBOL})", str(limit))


def _cut(axis: dict[str, Any]) -> None:
    """Cut the labels of an axis on the left on a narrow page."""
    limit = axis.get("labelLimit")
    if axis.get("orient") == "left" and isinstance(limit, int | float):
        axis["labelLimit"] = _either(str(min(limit, _LABEL)), str(limit))


def _cut_text(mark: dict[str, Any]) -> None:
    """Cut a text that has a limit in pixels shorter on a narrow page."""
    drawn = mark.get("encode", {}).get("update", {})
    limit = drawn.get("limit", {}).get("value")
    if limit is not None:
        drawn["limit"] = _either(f"min({limit}, {_TEXT} * room)", str(limit))


def _either(narrow: str, wide: str) -> dict[str, str]:
    return {"signal": f"room < {NARROW} ? {narrow} : {wide}"}
