"""The norm of the whole over the steps of a run, beside how often norms occur, with a slider of the threshold."""

from os.path import basename
from typing import Any, NamedTuple

import numpy as np

from gradclip_cli.render.html.histogram import histogram, slider_line
from gradclip_cli.render.html.histogram import table as histogram_table
from gradclip_cli.render.html.norm_axis import HEIGHT, NormAxis
from gradclip_cli.render.html.norm_line import NormLine, layers
from gradclip_cli.render.html.norm_points import NormPoints
from gradclip_cli.render.html.norm_tables import effects_table, norms_table, says
from gradclip_cli.render.html.picture import Picture, View
from gradclip_cli.render.html.rule_lines import RuleLine, drawn_rules, rule_lines
from gradclip_cli.render.html.slider import Slider, slider
from gradclip_cli.render.html.steps import are_numbered, axis_title
from gradclip_cli.render.tables.grid import norm_name
from gradclip_cli.reports.run import RunReport
from gradclip_cli.reports.stats import StatsReport
from gradclip_cli.strategies.builtin import GLOBAL
from gradclip_cli.text import printable
from gradclip_cli.thresholds.samples import Matrix

_NOTHING = NormAxis(-1.0, 1.0)
"""The axis where no norm is finite and above 0: nothing is drawn on it."""


class _Parts(NamedTuple):
    line: NormLine
    positive: Matrix
    rules: list[RuleLine]
    notes: list[str]
    noun: str


def picture(report: RunReport) -> Picture | None:
    """Draw the norm of each dump; None for one dump, of which there is no line."""
    stats = report.stats
    if len(stats.dumps) < 2:
        return None
    parts = _parts(report)
    moves = parts.line.slider
    tables = [norms_table(parts.line, parts.noun)]
    if len(parts.positive):
        tables.append(histogram_table(parts.positive, parts.line.axis, parts.noun))
    if moves is not None:
        tables.append(effects_table(moves, parts.noun))
    views = _views(parts, linked=True)
    alone: View = {"hconcat": _views(parts, linked=False), "params": moves.fixed() if moves else []}
    title = f"{parts.line.names[0].capitalize()} over {parts.noun}s"
    return Picture(title, says(stats, parts.line, parts.noun), views, alone, tables, moves.params() if moves else [])


def _parts(report: RunReport) -> _Parts:
    stats, against = report.stats, report.against
    points = NormPoints(stats.dumps)
    beside = NormPoints(against.dumps) if against is not None and against.dumps else None
    positive = points.norms[points.positive]
    every = np.concatenate([positive, beside.norms[beside.positive]]) if beside else positive
    rules = rule_lines(stats)
    axis = NormAxis.of([every.min(), every.max()], [rule.threshold for rule in rules]) if len(every) else _NOTHING
    noun = axis_title(stats.dumps)
    names = _name(stats), "" if against is None else _other_name(stats, against)
    moves = slider(stats, axis) if len(positive) else None
    first = stats.first or report.check.first
    line = NormLine(points, beside, names, axis, moves, first, stats.epsilon, noun)
    return _Parts(line, positive, rules, _notes(report, axis, rules), noun)


def _name(stats: StatsReport) -> str:
    """Name what is drawn: the column of a log, or the norm of the whole."""
    return printable(stats.column) if stats.column else f"global {norm_name(stats.norm_type)}"


def _other_name(stats: StatsReport, against: StatsReport) -> str:
    """Name the other run: by the last part of its path, unless that of both runs is the same."""
    own, other = (one.inputs[0].rstrip("/") if one.inputs else "" for one in (stats, against))
    same = basename(own) == basename(other)
    return printable(other if same else basename(other)) or "the other run"


def _notes(report: RunReport, axis: NormAxis, rules: list[RuleLine]) -> list[str]:
    """Say what the picture does not show as one could expect."""
    stats, against = report.stats, report.against
    found = []
    if stats.advice is not None and stats.advice.strategy != GLOBAL.name:
        found.append(f"The strategy at hand is {stats.advice.strategy}; thresholds here are of {GLOBAL.name}.")
    if beyond := [rule.text for rule in rules if not axis.holds(rule.threshold)]:
        found.append(f"Beyond the axis: {', '.join(beyond)}.")
    if against is not None and are_numbered(stats.dumps) != are_numbered(against.dumps):
        found.append("One run has no numbers of steps: its dumps are counted from 0.")
    return found


def _views(parts: _Parts, *, linked: bool) -> list[View]:
    line, moves = parts.line, parts.line.slider
    title: dict[str, Any] = {"text": f"{line.names[0].capitalize()} over {parts.noun}s"}
    if parts.notes:
        title["subtitle"] = parts.notes
    limit = [slider_line(line.axis)] if moves is not None else []
    drawn = [*drawn_rules(parts.rules, line.axis), *limit, *layers(line, linked=linked)]
    found: list[View] = [{"title": title, "width": 500, "height": HEIGHT, "layer": drawn}]
    if len(parts.positive):
        found.append(histogram(parts.positive, line.axis, moves, parts.noun))
    return found
