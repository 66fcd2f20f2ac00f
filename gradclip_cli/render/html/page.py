"""Write a page: one file that asks the net for nothing, in which names and titles are text."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from gradclip_cli.render.html import sections
from gradclip_cli.render.html.bundling import Scripts
from gradclip_cli.render.html.drawing import scripts
from gradclip_cli.render.html.elements import section, table, text
from gradclip_cli.render.html.figures import figures, inline, pictures, readable
from gradclip_cli.render.html.layout import adapted, spec_of
from gradclip_cli.render.html.picture import Picture
from gradclip_cli.render.html.theme import DARK, LIGHT, NUMBERS
from gradclip_cli.reports.run import RunReport

__all__ = ["figures", "page", "static_page"]

_NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'unsafe-inline'; img-src data:"
"""What a page may do: have styles and pictures of its own, and ask nobody for anything."""

TOLD = "told"
"""The variable of a page whose text stands beside the slider, and the id of its place."""

_START = (
    'vegaEmbed("#charts",{spec},{{config:matchMedia("(prefers-color-scheme: dark)").matches?{dark}:{light},'
    'bind:"#controls",formatLocale:{numbers},renderer:"hybrid",actions:false}}).then(r=>{{window.view=r.view;document.body.dataset.ready=""}})'
)
"""The one line of JavaScript of a page's own: draw the pictures, in the colours that the reader wants."""


def page(report: RunReport, scripts: Scripts = scripts) -> str:
    """Return a report as HTML whose pictures can be asked; needs vl-convert. `scripts` returns those that draw them."""
    shown = pictures(report)
    if not shown:
        return document(report, "", tables(shown), _NOTHING, "")
    line = start(adapted(readable(spec_of([*shown.values()]))))
    code = [scripts().replace("</script", "<\\/script"), line]
    hashes = " ".join(f"'sha256-{_digest(one)}'" for one in code)
    policy = f"{_NOTHING} blob:; script-src 'unsafe-eval' {hashes}"
    return document(report, charts(shown), tables(shown), policy, "".join(f"<script>{one}</script>\n" for one in code))


def static_page(report: RunReport) -> str:
    """Return a report as HTML without any script, its pictures as SVG; needs vl-convert."""
    shown = pictures(report)
    return document(report, section("pictures", "Pictures", inline(shown)), tables(shown), _NOTHING, "")


def document(report: RunReport, drawn: str, numbers: str, policy: str, code: str) -> str:
    """Return the whole page around pictures, their tables and their scripts."""
    style = files("gradclip_cli.render.html").joinpath("style.css").read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<meta name="referrer" content="no-referrer">\n'
        f"<title>{text(report.title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        f'<a class=skip href="#findings">Skip the pictures</a>\n<main>\n{sections.head(report)}{drawn}'
        f"{sections.findings(report)}{sections.thresholds(report)}{numbers}{sections.screens(report)}{sections.inputs(report)}"
        f"</main>\n{sections.foot(bool(code))}{code}</body>\n</html>\n"
    )


def charts(shown: Mapping[str, Picture]) -> str:
    """Return the place of the pictures, what they show in words, and where their controls are."""
    said = " ".join(one.says for one in shown.values())
    without = (
        "<noscript><p>The pictures need JavaScript; the tables below have the same numbers without it.</p></noscript>"
    )
    controls = _controls([param for one in shown.values() for param in one.params])
    figure = f'<figure><div id="charts" role="img" aria-label="{text(said)}"></div></figure>'
    return section("pictures", "Pictures", f"{controls}{without}\n{figure}")


def _controls(params: Sequence[Mapping[str, Any]]) -> str:
    """Return the place of the slider, with the sentence that it changes as it is at first."""
    told = [
        f'<output id="{TOLD}" aria-live="polite">{text(str(one["value"]))}</output>'
        for one in params
        if one["name"] == TOLD
    ]
    return f'<div class=controls><div id="controls"></div>{"".join(told)}</div>\n'


def tables(shown: Mapping[str, Picture]) -> str:
    """Return what each picture says, and the tables with its numbers."""
    parts = [
        f"<h3>{text(one.title)}</h3>\n<p>{text(one.says)}</p>\n{''.join(map(table, one.tables))}"
        for one in shown.values()
    ]
    return section("tables", "The pictures in numbers", *parts)


def start(spec: Mapping[str, Any]) -> str:
    """Return the line that starts a page; whatever a name holds, it does not end the script."""
    return _START.format(
        numbers=_as_script(NUMBERS), spec=_as_script(spec), dark=_as_script(DARK), light=_as_script(LIGHT)
    )


def _as_script(data: object) -> str:
    return json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def _digest(script: str) -> str:
    """Return the hash of a script by which a policy allows it, and no other."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
