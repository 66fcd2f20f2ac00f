"""Draw each picture alone: as a file of its own, or as SVG in a page without scripts."""

from collections.abc import Mapping
from typing import Any

from gradclip_cli.render.html import PICTURES
from gradclip_cli.render.html.drawing import drawn, svg_of
from gradclip_cli.render.html.elements import text
from gradclip_cli.render.html.inline_svg import inlined
from gradclip_cli.render.html.layout import APART, PHONE, ROOM, fitted
from gradclip_cli.render.html.picture import Picture, View
from gradclip_cli.render.html.theme import GROUND, INK, LIGHT, config
from gradclip_cli.reports.run import RunReport
from gradclip_cli.text import printable


def pictures(report: RunReport) -> dict[str, Picture]:
    """Return the pictures that a report has something for, by name."""
    made = {name: load()(report) for name, load in PICTURES.items()}
    return {name: one for name, one in made.items() if one is not None}


def figures(report: RunReport, format: str) -> dict[str, bytes]:
    """Return each picture as a file in a format of figures, by its name; needs vl-convert."""
    look = {**config(INK), **LIGHT, "aria": False, "background": GROUND, "padding": 8}
    made = {name: drawn(_spec(one.alone, look), format) for name, one in pictures(report).items()}
    return {name: inlined(one.decode()).encode() for name, one in made.items()} if format == "svg" else made


def inline(shown: Mapping[str, Picture]) -> str:
    """Return pictures as SVG in a page, each for a wide and for a narrow one; needs vl-convert."""
    look = {**config("currentColor"), **LIGHT, "aria": False, "padding": 0}
    parts = []
    for name, one in shown.items():
        spec = _row(one.alone, look)
        drawings = {size: svg_of(fitted(spec, room)) for size, room in (("wide", ROOM), ("narrow", PHONE))}
        both = "".join(f"<div class={size}>{inlined(svg, f'{name}-{size}')}</div>" for size, svg in drawings.items())
        parts.append(f'<figure class=drawn role="img" aria-label="{text(one.says)}">{both}</figure>\n')
    return "".join(parts)


def _spec(view: View, look: Mapping[str, Any]) -> dict[str, Any]:
    return {"config": dict(look), **readable(view)}


def _row(view: View, look: Mapping[str, Any]) -> View:
    """Return a spec with a view as its only row; the variables of a page stand at its top."""
    row = {key: value for key, value in readable(view).items() if key != "params"}
    return {"config": dict(look), "params": view.get("params", []), "vconcat": [row], "resolve": APART}


def readable(view: View) -> Any:
    """Return a view in whose data every text prints: what does not is spelled out."""
    return _readable(view, is_data=False)


def _readable(value: Any, *, is_data: bool) -> Any:
    if isinstance(value, str):
        return printable(value) if is_data else value
    if isinstance(value, dict):
        return {key: _readable(one, is_data=is_data or key in ("values", "datasets")) for key, one in value.items()}
    if isinstance(value, list) and not (value and isinstance(value[0], int | float)):
        return [_readable(one, is_data=is_data) for one in value]
    return value
