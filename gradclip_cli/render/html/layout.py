"""Put pictures together in one spec, and make their widths follow the width of the page."""

import json
import re
from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import Any, NamedTuple

from gradclip_cli.render.html.drawing import compiled
from gradclip_cli.render.html.picture import Picture, View
from gradclip_cli.render.html.theme import config

ROOM, NARROW = 800, 640
"""The width that views are made for, with their axes and legends, and that below which they stand one below another."""

_LEAST = 60
"""The least width of a view, in pixels."""

_LINES = {"text": 40, "subtitle": 52}
"""The most characters of a line of a title, and of a subtitle, on a narrow page."""

_BRUSHED = re.compile(r'\[scale\("[^"]*", (\w+)\[0\]\)')
"""How a brush is drawn anew where its scale changes."""

_FIRST = 100_001
"""The first of the widths that views have while they are compiled: each has its own, by which it is found again."""

_PAGE = "max(240, containerSize()[0])"
_APART = {part: dict.fromkeys(("color", "size", "shape", "opacity"), "independent") for part in ("scale", "legend")}


class Width(NamedTuple):
    """The width of a view on a page: `slope * room + offset`, or `room - margin` where the page is narrow."""

    slope: float
    offset: float
    margin: float

    @property
    def expression(self) -> str:
        """The width in the language of Vega, where `room` is the width of the page."""
        wide, narrow = f"{self.slope:.6g} * room + {self.offset:.6g}", f"room - {self.margin:.6g}"
        return f"max({_LEAST}, floor(room < {NARROW} ? {narrow} : {wide}))"

    def at(self, room: int) -> int:
        """Return the width on a page of that width."""
        found = room - self.margin if room < NARROW else self.slope * room + self.offset
        return max(_LEAST, int(found))


def spec_of(shown: Sequence[Picture]) -> View:
    """Return one Vega-Lite spec of pictures, a row each, so that a slider, a brush and a click in one change the others."""
    rows = [one.linked[0] if len(one.linked) == 1 else {"hconcat": [*one.linked], "resolve": _APART} for one in shown]
    params = [dict(param) for one in shown for param in one.params]
    return {"config": config("currentColor"), "params": params, "vconcat": rows, "resolve": _APART}


def adapted(spec: View) -> dict[str, Any]:
    """Return a Vega-Lite spec as one of Vega whose widths follow the page; where it is narrow, rows are stacked."""
    found: dict[int, Width] = {}

    def numbered(width: Width) -> int:
        found[_FIRST + len(found)] = width
        return _FIRST + len(found) - 1

    marked = _with_widths(spec, numbered)
    vega = compiled(marked)
    alone = [{"name": "width", "value": vega.pop("width")}] if "width" in vega else []  # the width of the only view
    signals = [_of_page(one, found) for one in (*alone, *vega["signals"])]
    _fold_titles(vega)
    _guard_brushes(vega)
    vega.update(autosize={"type": "pad", "resize": True}, padding=0, signals=[_room(), *signals])
    for group, view in _groups(vega, marked):
        group["layout"] |= {"align": "none"}
        if "hconcat" in view:
            group["layout"]["columns"] = {"signal": f"room < {NARROW} ? 1 : {len(view['hconcat'])}"}
    return vega


def _fold_titles(group: dict[str, Any]) -> None:
    """Let titles have as many lines on a narrow page as they need there."""
    title = group.get("title")
    for key, most in _LINES.items() if title else ():
        if isinstance(title.get(key), str | list):
            whole = [title[key]] if isinstance(title[key], str) else title[key]
            lines = [part for line in whole for part in wrap(line, most)]
            title[key] = {"signal": f"room < {NARROW} ? {json.dumps(lines)} : {json.dumps(whole)}"}
    for mark in group.get("marks", ()):
        _fold_titles(mark)


def _guard_brushes(group: dict[str, Any]) -> None:
    """Let a brush that holds nothing stay as it is where widths change: Vega-Lite would read the ends of what is not there."""
    for signal in group.get("signals", ()):
        for change in signal.get("on", ()):
            ends = _BRUSHED.match(change.get("update", ""))
            if ends:
                change["update"] = f"isArray({ends[1]}) ? {change['update']} : {signal['name']}"
    for mark in group.get("marks", ()):
        _guard_brushes(mark)


def resized(view: View, room: int) -> View:
    """Return a view for a page of another width than `ROOM`; where it is narrow, what stands side by side is stacked."""
    sized = _with_widths(view, lambda width: width.at(room))
    return _stacked(sized) if room < NARROW else sized


def _with_widths(view: View, width_of: Any, slope: float = 1, offset: float = 0, design: float = ROOM) -> View:
    """Give each view the width that `width_of` returns; it stands in a room of `slope * room + offset`, made for `design`."""
    if "vconcat" in view:
        return {**view, "vconcat": [_with_widths(one, width_of, slope, offset, design) for one in view["vconcat"]]}
    if "hconcat" in view:
        parts = [*_beside(view["hconcat"], slope, offset, design)]
        return {**view, "hconcat": [_with_widths(one, width_of, *place) for one, place in parts]}
    if not isinstance(view.get("width"), int | float):
        return view
    margin = design - view["width"]
    return {**view, "width": width_of(Width(slope, offset - margin, margin))}


def _beside(views: Sequence[View], slope: float, offset: float, design: float) -> Iterator[tuple[View, tuple[float, ...]]]:
    """Yield views that stand side by side with their rooms: what is left beside axes is shared as they were made."""
    widths = [_width(one) for one in views]
    margins = max(0, design - sum(widths))
    each = margins / len(views)
    for view, width in zip(views, widths, strict=True):
        share = width / (sum(widths) or 1)
        yield view, (slope * share, (offset - margins) * share + each, width + each)


def _width(view: View) -> float:
    """Return the width that a view was made with, of a concatenation that of its parts."""
    if "vconcat" in view:
        return max(map(_width, view["vconcat"]))
    if "hconcat" in view:
        return sum(map(_width, view["hconcat"]))
    width = view.get("width")
    return width if isinstance(width, int | float) else 0


def _stacked(view: View) -> View:
    """Return a view in which what stood side by side stands one below another."""
    parts = view.get("vconcat") or view.get("hconcat")
    if parts is None:
        return view
    rest = {key: value for key, value in view.items() if key != "hconcat"}
    return {**rest, "vconcat": [_stacked(one) for one in parts]}


def _room() -> dict[str, Any]:
    return {"name": "room", "init": _PAGE, "on": [{"events": {"source": "window", "type": "resize"}, "update": _PAGE}]}


def _of_page(signal: dict[str, Any], widths: dict[int, Width]) -> dict[str, Any]:
    """Return the signal of a width as one that follows the page, and any other as it is."""
    width = widths.get(signal["value"]) if isinstance(signal.get("value"), int) else None
    return signal if width is None else {"name": signal["name"], "update": width.expression}


def _groups(group: dict[str, Any], view: View) -> Iterator[tuple[dict[str, Any], View]]:
    """Yield the groups of a Vega spec that hold several views, each with those views."""
    parts = view.get("vconcat") or view.get("hconcat")
    if parts:
        yield group, view
        inner = [mark for mark in group["marks"] if mark["type"] == "group"]
        for one, part in zip(inner, parts, strict=True):
            yield from _groups(one, part)
