"""Put pictures together in one spec, and make their widths follow the width of the page."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from gradclip_cli.render.html.drawing import compiled, width_of
from gradclip_cli.render.html.picture import Picture, View
from gradclip_cli.render.html.theme import config
from gradclip_cli.render.html.words import NARROW, fit_words, guard_brushes

ROOM = 800
"""The width that views are made for, with their axes and legends, in pixels."""

_LEAST = 60
"""The least width of a view, in pixels."""

_FIRST = 100_001
"""The first of the widths that views have while they are compiled: each has its own, by which it is found again."""

_PHONE = 366
"""The width of a page on a phone, in pixels."""

_SPARE = 4
"""The width that is left free, in pixels, where fonts are a little wider than those that measure."""

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
        return f"max({_LEAST}, round(room < {NARROW} ? {narrow} : {wide}))"

    def at(self, room: int) -> int:
        """Return the width on a page of that width."""
        found = room - self.margin if room < NARROW else self.slope * room + self.offset
        return max(_LEAST, round(found))


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
    fit_words(vega)
    guard_brushes(vega)
    vega.update(autosize={"type": "pad", "resize": True}, padding=0, signals=signals)
    for group, view in _groups(vega, marked):
        group["layout"] |= {"align": "none"}
        if "hconcat" in view:
            group["layout"]["columns"] = {"signal": f"room < {NARROW} ? 1 : {len(view['hconcat'])}"}
    beyond = [_beyond(vega, room) for room in (ROOM, _PHONE)]
    return {**vega, "signals": [_room(*beyond), *vega["signals"]]}


def _beyond(vega: dict[str, Any], room: int) -> int:
    """Return how much wider than a page of that width pictures are, since nobody knows how wide labels will be."""
    signals = [{"name": "room", "value": room}, *vega["signals"]]
    width = width_of({**_of_words(vega), "signals": signals})
    return min(max(0, round(width - room)), room // 3) + _SPARE


def _of_words(group: dict[str, Any]) -> dict[str, Any]:
    """Return a Vega spec without the marks that stay within their view: what is wide are words."""
    marks = [_of_words(mark) for mark in group.get("marks", ()) if mark["type"] in ("group", "text", "rule")]
    return {**group, "marks": marks}


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


def _beside(
    views: Sequence[View], slope: float, offset: float, design: float
) -> Iterator[tuple[View, tuple[float, ...]]]:
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


def _room(wide: int, narrow: int) -> dict[str, Any]:
    """Return the variable that follows the width of the page, less what pictures need beyond it where it is wide or narrow."""
    room = f"max({_PHONE // 2}, containerSize()[0] - (containerSize()[0] < {NARROW + wide} ? {narrow} : {wide}))"
    return {"name": "room", "init": room, "on": [{"events": {"source": "window", "type": "resize"}, "update": room}]}


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
