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

_COLUMNS, _BESIDE = 2, 60
"""The columns of a legend above or below a picture on a narrow page, and what stands beside its label, in pixels."""

_BRUSHED = re.compile(r'\[scale\("[^"]*", (\w+)\[0\]\)')
"""How a brush is drawn anew where its scale changes."""


def fit_words(vega: dict[str, Any]) -> None:
    """Let titles and legends of a Vega spec be narrow where the page is: `room` is its width."""
    for group in _groups(vega):
        if "title" in group:
            _fold(group["title"])
        for legend in group.get("legends", ()):
            _narrow(legend)


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
    """Give a legend above or below a picture few columns on a narrow page, and cut labels that are wider than it."""
    if legend.get("orient") not in ("top", "bottom") or legend.get("type") == "gradient":
        return
    if isinstance(legend.get("columns", 0), int):
        legend["columns"] = _either(str(_COLUMNS), str(legend.get("columns", 0)))
    limit = legend.get("labelLimit", 160)
    if isinstance(limit, int | float):
        legend["labelLimit"] = _either(f"min({limit}, room - {_BESIDE})", str(limit))


def _either(narrow: str, wide: str) -> dict[str, str]:
    return {"signal": f"room < {NARROW} ? {narrow} : {wide}"}
