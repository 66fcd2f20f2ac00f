"""The norm of the whole over the steps of a run, beside how often norms occur, with a slider of the threshold."""

import math
from typing import Any, NamedTuple

import numpy as np

from gradclip_cli.render.html.histogram import histogram, slider_line
from gradclip_cli.render.html.histogram import table as histogram_table
from gradclip_cli.render.html.norm_axis import HEIGHT, NormAxis
from gradclip_cli.render.html.norm_events import ABOVE, events
from gradclip_cli.render.html.norm_line import NormLine, lines
from gradclip_cli.render.html.norm_points import NormPoints
from gradclip_cli.render.html.norm_tables import effects_table, norms_table, says
from gradclip_cli.render.html.parting import other_name
from gradclip_cli.render.html.picture import Picture, View
from gradclip_cli.render.html.rule_lines import RuleLine, drawn_rules, rule_lines
from gradclip_cli.render.html.slider import slider
from gradclip_cli.render.html.steps import axis_title
from gradclip_cli.render.tables.grid import layer_name, norm_name
from gradclip_cli.reports.run import RunReport
from gradclip_cli.reports.stats import StatsReport
from gradclip_cli.strategies.builtin import GLOBAL
from gradclip_cli.text import printable, times
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
    title = _title(parts)
    return Picture(title, says(stats, parts.line, parts.noun), views, alone, tables, moves.params() if moves else [])


def _parts(report: RunReport) -> _Parts:
    stats, against = report.stats, report.against
    points = NormPoints.of(stats.dumps)
    beside = NormPoints.of(against.dumps) if against is not None and against.dumps else None
    beside = None if beside is not None and _are_apart(points, beside) else beside
    positive = points.norms[points.positive]
    every = np.concatenate([positive, beside.norms[beside.positive]]) if beside else positive
    rules = rule_lines(stats) if len(every) else []
    axis = NormAxis.of([every.min(), every.max()], [rule.threshold for rule in rules]) if len(every) else _NOTHING
    noun = axis_title(stats.dumps)
    names = _name(stats), other_name(report)
    moves = slider(stats, axis) if len(positive) else None
    told, row = _first(report, points)
    line = NormLine(points, beside, names, axis, moves, told, row, *_chosen(stats), stats.epsilon, noun)
    return _Parts(line, positive, rules, _notes(report, line, rules), noun)


def _name(stats: StatsReport) -> str:
    """Name what is drawn: the column of a log, or the norm of the whole."""
    return printable(stats.column) if stats.column else f"global {norm_name(stats.norm_type)}"


def _are_apart(points: NormPoints, beside: NormPoints) -> bool:
    """Whether all of a run comes before or after the other one, so that one axis would show little of both."""
    return points.places[-1] < beside.places[0] or beside.places[-1] < points.places[0]


def _first(report: RunReport, points: NormPoints) -> tuple[str, int | None]:
    """Say what rose first, and in which row; nothing of a run that has no blocks to compare."""
    first, stats = report.stats.first or report.check.first, report.stats
    row = None if first is None else points.row_of(first.step, first.input)
    if first is None or row is None or len(stats.blocks) < 2:
        return "", None
    if not first.names:
        return f"rose first: several {stats.block_noun}s at once", row
    more = f" and {len(first.names) - 1:,} more" if len(first.names) > 1 else ""
    much = f" ({times(first.times[0])})" if math.isfinite(first.times[0]) else ""
    return f"rose first: {layer_name(first.names[0], stats.labels)}{more}{much}", row


def _chosen(stats: StatsReport) -> tuple[str, list[float] | None]:
    """Return an adaptive rule, and its threshold for the norm of the whole in each dump; None if there is no such rule."""
    replay = stats.replay
    if not replay or replay[0].strategy != GLOBAL.name:
        return "", None
    return stats.suggestions[0].rule, [step.threshold for step in replay]


def _notes(report: RunReport, line: NormLine, rules: list[RuleLine]) -> list[str]:
    """Say what the picture does not show as one could expect."""
    stats, axis = report.stats, line.axis
    found = []
    if stats.epsilon:
        found.append(f"An epsilon of {stats.epsilon:g} is added to a norm before it is compared.")
    if line.points.each > 1:
        found.append(f"Each point is the largest norm of {line.points.each:,} {line.x_title}s.")
    if line.against is not None and line.against.each > line.points.each:
        found.append(f"Those of {line.names[1]} are the largest of {line.against.each:,}.")
    if stats.advice is not None and stats.advice.strategy != GLOBAL.name:
        found.append(f"The strategy at hand is {stats.advice.strategy}; thresholds here are of {GLOBAL.name}.")
    if beyond := [rule.text for rule in rules if not axis.holds(rule.threshold)]:
        found.append(f"Beyond the axis: {', '.join(beyond)}.")
    if report.against is not None and line.against is None:
        found.append(f"The steps of {line.names[1]} lie beyond the axis, so it is not drawn.")
    if line.against is not None and line.points.numbered != line.against.numbered:
        found.append("One run has no numbers of steps: its dumps are counted from 0.")
    return found


def _title(parts: _Parts) -> str:
    """Return the heading; the name of a log's column stays as it is."""
    name = parts.line.names[0].replace("global ", "Global ", 1)
    return f"{name} over {parts.noun}s"


def _views(parts: _Parts, *, linked: bool) -> list[View]:
    line, moves = parts.line, parts.line.slider
    title: dict[str, Any] = {"text": _title(parts)}
    if parts.notes:
        title["subtitle"] = parts.notes
    if line.rise is not None:
        title["offset"] = ABOVE + 2
    limit = [slider_line(line.axis)] if moves is not None else []
    drawn = [*drawn_rules(parts.rules, line.axis), *limit, *lines(line, linked=linked), *events(line)]
    found: list[View] = [{"title": title, "width": 500, "height": HEIGHT, "layer": drawn}]
    if len(parts.positive):
        found.append(histogram(parts.positive, line.axis, moves, parts.noun))
    return found
