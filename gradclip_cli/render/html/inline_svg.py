"""Make an SVG small and fit to stand in a page beside others: a map of many cells is one image, and ids are its own."""

import base64
import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple
from xml.etree import ElementTree  # it reads what was drawn here

_SPACE = "http://www.w3.org/2000/svg"
_RECT = re.compile(r"M(-?[\d.e-]+),(-?[\d.e-]+)h(-?[\d.e-]+)v(-?[\d.e-]+)h-?[\d.e-]+Z")
_RGB = re.compile(r"rgb\((\d+), (\d+), (\d+)\)")
_HEX = re.compile(r"#[0-9a-f]{6}")
_USED = re.compile(r"url\(#([^)]+)\)")
_NEEDLESS = ("role", "aria-roledescription", "aria-hidden", "pointer-events", "class")

CELLS = "cells"
"""The class of what is drawn in a scale of colours."""

_MANY = 1000
"""The cells of a map from which on it is an image."""


class _Cell(NamedTuple):
    """A rectangle of a map with its colour, opaque, in four bytes."""

    x: float
    y: float
    width: float
    height: float
    color: bytes


def inlined(svg: str, name: str = "figure") -> str:
    """Return an SVG without what no reader needs of it, its maps as images; its ids begin with a `name`."""
    ElementTree.register_namespace("", _SPACE)
    root = ElementTree.fromstring(svg)  # noqa: S314
    for parent in list(root.iter()):
        _drop_empty(parent)
        if "mark-rect" in parent.get("class", "") and len(parent) >= _MANY:
            _draw_as_image(parent)
    for element in root.iter():
        for key in _NEEDLESS:
            element.attrib.pop(key, None)
        if element.tag.endswith("}image") or "url(#gradient" in element.get("fill", ""):
            element.set("class", CELLS)
    _rename(root, name)
    return ElementTree.tostring(root, encoding="unicode")


def _drop_empty(parent: ElementTree.Element) -> None:
    """Take out backgrounds and foregrounds that draw nothing."""
    for child in list(parent):
        if child.get("display") == "none" or child.get("d") == "M0,0h0v0h0Z":
            parent.remove(child)


def _draw_as_image(parent: ElementTree.Element) -> None:
    """Put one image in place of cells that stand in rows and columns of one size each; others stay as they are."""
    cells = [cell for child in parent if (cell := _cell(child)) is not None]
    lefts, tops = _places([one.x for one in cells]), _places([one.y for one in cells])
    if len(cells) < len(parent) or not (_are_even(lefts) and _are_even(tops)):
        return
    width, height = (max(getattr(one, side) for one in cells) for side in ("width", "height"))
    for child in list(parent):
        parent.remove(child)
    place = {"x": lefts[0], "y": tops[0], "width": lefts[-1] - lefts[0] + width, "height": tops[-1] - tops[0] + height}
    shown = {"preserveAspectRatio": "none", "style": "image-rendering:pixelated", "href": _png(cells, lefts, tops)}
    ElementTree.SubElement(parent, f"{{{_SPACE}}}image", {**{key: f"{at:.6g}" for key, at in place.items()}, **shown})


def _cell(path: ElementTree.Element) -> _Cell | None:
    """Return a path as a cell if it is a rectangle of one opaque colour."""
    place, color = _RECT.fullmatch(path.get("d", "")), _color(path.get("fill", ""))
    if place is None or color is None or path.get("transform") or path.get("opacity", "1") != "1":
        return None
    x, y, width, height = map(float, place.groups())
    return _Cell(x, y, width, height, color)


def _color(fill: str) -> bytes | None:
    """Return a colour as red, green, blue and full opacity; None for what is no plain colour."""
    if rgb := _RGB.fullmatch(fill):
        return bytes((*map(int, rgb.groups()), 255))
    return bytes.fromhex(f"{fill[1:]}ff") if _HEX.fullmatch(fill) else None


def _places(values: Sequence[float]) -> list[float]:
    """Return the edges at which cells begin, in their order."""
    return sorted({round(value, 3) for value in values})


def _are_even(edges: Sequence[float]) -> bool:
    """Whether the cells between these edges have one size, but for rounding."""
    gaps = [after - before for before, after in pairwise(edges)]
    return not gaps or max(gaps) - min(gaps) <= 0.01 * max(gaps) + 0.002


def _png(cells: Sequence[_Cell], lefts: Sequence[float], tops: Sequence[float]) -> str:
    """Return an image with a pixel for each cell, as a data URL; where there is no cell, it is clear."""
    columns, rows = ({at: k for k, at in enumerate(edges)} for edges in (lefts, tops))
    lines = [bytearray(1 + 4 * len(columns)) for _ in rows]  # each begins with the filter of the line, which is none
    for one in cells:
        start = 1 + 4 * columns[round(one.x, 3)]
        lines[rows[round(one.y, 3)]][start : start + 4] = one.color
    header = struct.pack(">IIBBBBB", len(columns), len(rows), 8, 6, 0, 0, 0)
    parts = {b"IHDR": header, b"IDAT": zlib.compress(b"".join(lines), 9), b"IEND": b""}
    data = b"\x89PNG\r\n\x1a\n" + b"".join(_chunks(parts))
    return f"data:image/png;base64,{base64.b64encode(data).decode('ascii')}"


def _chunks(parts: dict[bytes, bytes]) -> Iterator[bytes]:
    for name, data in parts.items():
        yield struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _rename(root: ElementTree.Element, name: str) -> None:
    """Give a drawing ids of its own, numbered anew: Vega counts on from one drawing to the next."""
    ids = [found for element in root.iter() if (found := element.get("id")) is not None]
    names = {old: f"{name}-{k}" for k, old in enumerate(ids)}
    for element in root.iter():
        for key, value in element.attrib.items():
            if key == "id":
                element.set(key, names[value])
            elif "url(#" in value:
                element.set(key, _USED.sub(lambda used: f"url(#{names.get(used[1], used[1])})", value))
