"""Put pictures together in one spec, and make their widths follow the width of the page."""

import re
from collections.abc import Iterator, Sequence
from itertools import count, pairwise
from typing import Any, NamedTuple

from gradclip_cli.render.html.drawing import compiled, svg_of
from gradclip_cli.render.html.picture import Picture, View
from gradclip_cli.render.html.theme import GAP, config
from gradclip_cli.render.html.words import NARROW, fit_words, guard_brushes

ROOM, PHONE = 800, 366
"""The width that views are made for, with their axes and legends, and the width of a page on a phone, in pixels."""

_LEAST = 60
"""The least width of a view, in pixels."""

_FIRST = 100_001
"""The first of the widths that views have while they are compiled: each has its own, by which it is found again."""

_SPARE = 4
"""The width that is left free, in pixels, where fonts are a little wider than those that measure."""

APART = {part: dict.fromkeys(("color", "size", "shape", "opacity"), "independent") for part in ("scale", "legend")}
"""Each picture has its own scales and legends."""

_GROUP = re.compile(r'role-scope (\S+)_group"[^>]*><g transform="translate\((-?[\d.e-]+),')
"""A view that is drawn, with its place from left to right."""


class Beyond(NamedTuple):
    """What a view needs beyond its width, in pixels: for labels on its left, and labels and legends on its right."""

    left: float
    right: float


class Width(NamedTuple):
    """The width of a view on a page: `slope * (room - beside)`, or `room - margin` where the page is narrow."""

    slope: float
    beside: float
    margin: float

    @property
    def expression(self) -> str:
        """The width in the language of Vega, where `room` is the width of the page."""
        wide, narrow = f"{self.slope:.6g} * (room - {self.beside:.6g})", f"room - {self.margin:.6g}"
        return f"max({_LEAST}, floor(room < {NARROW} ? {narrow} : {wide}))"


def spec_of(shown: Sequence[Picture]) -> View:
    """Return one Vega-Lite spec of pictures, a row each, so that a slider, a brush and a click in one change the others."""
    rows = [one.linked[0] if len(one.linked) == 1 else {"hconcat": [*one.linked], "resolve": APART} for one in shown]
    params = [dict(param) for one in shown for param in one.params]
    return {"config": config("currentColor"), "params": params, "vconcat": rows, "resolve": APART}


def adapted(spec: View) -> dict[str, Any]:
    """Return a spec of rows as one of Vega whose widths follow the page; where it is narrow, views are stacked."""
    room = f"max({PHONE // 2}, containerSize()[0] - {_SPARE})"
    follows = {"events": {"source": "window", "type": "resize"}, "update": room}
    return _fitted(spec, {"name": "room", "init": room, "on": [follows]})


def fitted(spec: View, room: int) -> dict[str, Any]:
    """Return a spec of rows as one of Vega that is as wide as a page of that width."""
    return _fitted(spec, {"name": "room", "value": room - _SPARE})


def _fitted(spec: View, room: dict[str, Any]) -> dict[str, Any]:
    """Return a Vega spec with a variable for the width of the page, which its views and its words follow."""
    views, marked = [*_leaves(spec)], _with_widths(spec, count(_FIRST))
    vega = compiled(marked)
    if "width" in vega:  # that of the only view
        vega["signals"] = [{"name": "width", "value": vega.pop("width")}, *vega.get("signals", ())]
    fit_words(vega)
    guard_brushes(vega)
    for group, view in _concatenated(vega, marked):
        group["layout"] |= {"align": "none"}
        if "hconcat" in view:
            group["layout"]["columns"] = {"signal": f"room < {NARROW} ? 1 : {len(view['hconcat'])}"}
    vega.update(autosize={"type": "pad", "resize": True}, padding=0)
    wide = _beyond(vega, ROOM, [view["width"] for view in views])
    narrow = _beyond(vega, PHONE, [PHONE] * len(views))
    widths = _widths([*_rows(spec)], wide, narrow)
    return {**vega, "signals": [room, *_set(vega["signals"], [{"update": one.expression} for one in widths])]}


def _leaves(view: View) -> Iterator[View]:
    """Yield the views that are no concatenation, which have a width in pixels."""
    parts = view.get("vconcat") or view.get("hconcat")
    if parts is None:
        yield view
    for part in parts or ():
        yield from _leaves(part)


def _rows(view: View) -> Iterator[list[View]]:
    """Yield the views that stand side by side on a wide page."""
    if "vconcat" in view:
        for part in view["vconcat"]:
            yield from _rows(part)
    else:
        yield [*_leaves(view)]


def _with_widths(view: View, widths: Iterator[int]) -> View:
    """Give each view another width, in the order of `_leaves`."""
    for several in ("vconcat", "hconcat"):
        if several in view:
            return {**view, several: [_with_widths(part, widths) for part in view[several]]}
    return {**view, "width": next(widths)}


def _set(signals: Sequence[dict[str, Any]], widths: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return signals of which those that hold the width of a view have another."""
    last = _FIRST + len(widths)
    return [
        {"name": one["name"], **widths[value - _FIRST]}
        if isinstance(value := one.get("value"), int) and _FIRST <= value < last
        else one
        for one in signals
    ]


def _beyond(vega: dict[str, Any], room: int, widths: Sequence[int]) -> list[Beyond]:
    """Measure what each view needs beyond a width on a page of that width: how wide words are, only a drawing shows.

    Views stand side by side for it, each after a view of no width, so that their places tell what is between them.
    """
    marks: list[dict[str, Any]] = []
    for k, leaf in enumerate(_drawn(vega)):
        marks += [{"type": "group", "name": f"before_{k}_group"}, _of_words(leaf)]
    marks.append({"type": "group", "name": "after_group"})
    signals = [{"name": "room", "value": room}, *_set(vega["signals"], [{"value": width} for width in widths])]
    layout = {"columns": len(marks), "padding": 0, "bounds": "full", "align": "none"}
    names = {mark["name"].removesuffix("_group") for mark in marks}
    drawing = svg_of({**vega, "signals": signals, "layout": layout, "marks": marks})
    places = [float(place) for name, place in _GROUP.findall(drawing) if name in names]
    gaps = [after - before for before, after in pairwise(places)]
    return [Beyond(left, right - width) for left, right, width in zip(gaps[::2], gaps[1::2], widths, strict=True)]


def _drawn(group: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the groups of the views that are no concatenation."""
    if "layout" not in group:
        yield group
        return
    for mark in group["marks"]:
        yield from _drawn(mark)


def _of_words(group: dict[str, Any]) -> dict[str, Any]:
    """Return a Vega spec without the marks that stay within their view: what is wide are words."""
    marks = [_of_words(mark) for mark in group.get("marks", ()) if mark["type"] in ("group", "text", "rule")]
    return {**group, "marks": marks}


def _widths(rows: Sequence[Sequence[View]], wide: Sequence[Beyond], narrow: Sequence[Beyond]) -> list[Width]:
    """Return the widths of views in rows, whose left edges are below each other; a row shares what words leave as it was made."""
    found: list[Width] = []
    starts = [sum(map(len, rows[:k])) for k in range(len(rows))]
    edge, narrow_edge = max(wide[k].left for k in starts), max(one.left for one in narrow)
    for row, start in zip(rows, starts, strict=True):
        words = wide[start : start + len(row)]
        beside = edge + sum(one.right for one in words) + sum(one.left + GAP for one in words[1:])
        total = sum(view["width"] for view in row)
        for k, view in enumerate(row, start):
            found.append(Width(view["width"] / total, beside, narrow_edge + narrow[k].right))
    return found


def _concatenated(group: dict[str, Any], view: View) -> Iterator[tuple[dict[str, Any], View]]:
    """Yield the groups of a Vega spec that hold several views, each with those views."""
    parts = view.get("vconcat") or view.get("hconcat")
    if parts:
        yield group, view
        inner = [mark for mark in group["marks"] if mark["type"] == "group"]
        for one, part in zip(inner, parts, strict=True):
            yield from _concatenated(one, part)
