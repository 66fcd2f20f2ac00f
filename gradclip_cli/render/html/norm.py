"""The norm of the whole over the steps of a run."""

import math

from gradclip_cli.render.html.picture import ZOOM, Picture, View
from gradclip_cli.render.html.theme import NORM
from gradclip_cli.render.tables.grid import figure
from gradclip_cli.reports.run import RunReport
from gradclip_cli.text import plural


def picture(report: RunReport) -> Picture | None:
    """Draw the norm of each dump."""
    dumps = report.stats.dumps
    if len(dumps) < 2:
        return None
    total = report.stats.total
    says = f"The norm of {plural(len(dumps), 'dump')}: median {figure(total.median)}, largest {figure(total.max)}."
    return Picture("Norm over steps", says, [_view(report, linked=True)], _view(report, linked=False))


def _view(report: RunReport, *, linked: bool) -> View:
    dumps = report.stats.dumps
    steps = [k if dump.step is None else dump.step for k, dump in enumerate(dumps)]
    values = [
        {"step": step, "norm": dump.norm} for step, dump in zip(steps, dumps, strict=True) if 0 < dump.norm < math.inf
    ]
    brush = [{"name": ZOOM, "select": {"type": "interval", "encodings": ["x"]}}] if linked else []
    return {
        "title": "Norm over steps",
        "width": 600,
        "height": 260,
        "data": {"values": values},
        "params": brush,
        "mark": {"type": "line", "color": NORM},
        "encoding": {
            "x": {"field": "step", "type": "quantitative", "scale": {"nice": False, "domain": [steps[0], steps[-1]]}},
            "y": {"field": "norm", "type": "quantitative", "scale": {"type": "log", "nice": False}},
        },
    }
