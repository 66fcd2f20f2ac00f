"""Write a page: one file that asks the net for nothing, in which names and titles are text."""

import html
import json
from typing import Any

from gradclip_cli.render.html import PICTURES
from gradclip_cli.render.html.drawing import drawn, scripts
from gradclip_cli.render.html.picture import Picture
from gradclip_cli.render.html.theme import config
from gradclip_cli.reports.run import RunReport

_SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
_POLICY = "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:"


def pictures(report: RunReport) -> dict[str, Picture]:
    """Return the pictures that a report has something for, by name."""
    made = {name: load()(report) for name, load in PICTURES.items()}
    return {name: one for name, one in made.items() if one is not None}


def spec_of(shown: dict[str, Picture]) -> dict[str, Any]:
    """Return one Vega-Lite spec of all pictures, so that a slider, a brush and a click in one change the others."""
    rows = [one.linked[0] if len(one.linked) == 1 else {"hconcat": list(one.linked)} for one in shown.values()]
    params = [param for one in shown.values() for param in one.params]
    return {"$schema": _SCHEMA, "config": config(), "params": params, "vconcat": rows}


def page(report: RunReport) -> str:
    """Return a report as HTML."""
    shown = pictures(report)
    script = scripts().replace("</script", "<\\/script")
    spec = json.dumps(spec_of(shown), allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<title>{html.escape(report.title)}</title><h1>{html.escape(report.title)}</h1>"
        f'<figure id="charts"></figure><script>{script}</script>'
        f'<script>vegaEmbed("#charts", {spec})</script></html>\n'
    )


def static_page(report: RunReport) -> str:
    """Return a report as HTML without any script: pictures are SVG."""
    body = "".join(f"<figure>{drawn(one.alone, 'svg').decode()}</figure>" for one in pictures(report).values())
    title = html.escape(report.title)
    return f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><h1>{title}</h1>{body}</html>\n'


def figures(report: RunReport, format: str) -> dict[str, bytes]:
    """Return each picture as a file of its own, by its name."""
    return {name: drawn(one.alone, format) for name, one in pictures(report).items()}
