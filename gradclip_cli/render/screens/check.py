"""Show what `check` found on one screen: a line for each rule and block or run of blocks, and the cure once a rule."""

import math
from collections.abc import Iterator, Sequence
from itertools import groupby

from gradclip_cli.render.screens.check_problems import WHOLE, Problem, problems
from gradclip_cli.render.screens.folding import folded, in_lines, wrapped
from gradclip_cli.render.screens.line import Line, Span, Style, aligned, dim, line, strong, width_of
from gradclip_cli.render.screens.names import shortened
from gradclip_cli.render.screens.room import Room
from gradclip_cli.render.tables.check import nothing_found
from gradclip_cli.render.tables.grid import file_name
from gradclip_cli.render.tables.plain import cells
from gradclip_cli.reports.check import CheckReport, Finding, FirstRise
from gradclip_cli.text import plural, printable, times

_MOST = 8
"""The most problems that are shown, but for the first of each rule."""

BAD = ("nonfinite", "exploding", "growing", "accumulating")
"""The rules whose problems break a run."""

_NAMED = 3
"""The most blocks that are named as the first to rise."""

_LEAST, _GAP = 16, 2
"""The least width of names, and the blanks between two columns, in cells."""


def lines(report: CheckReport, room: Room) -> Iterator[Line]:
    """Yield the lines of a report: the verdict, the problems by rule, and how to see all findings."""
    every = on_screen(report)
    rules = list(dict.fromkeys(one.rule for one in every))
    dumps = plural(report.dumps, report.noun)
    if not every:
        verdict, rest = nothing_found(report)
        yield from folded(line(strong(verdict), rest), room)
        return
    yield from folded(line(strong(plural(len(rules), "problem")), f" in {dumps}: {', '.join(rules)}"), room)
    yield line()
    chosen = _chosen(every, room.top)
    yield from _problems(report, chosen, room)
    yield from _foot(report, len(every), len(chosen), room)


def on_screen(report: CheckReport) -> list[Problem]:
    """Return the problems of a report by rule, without those that others tell, too."""
    return [one for one in problems(report.findings) if not _is_told(one, report)]


def _foot(report: CheckReport, problems: int, shown: int, room: Room) -> Iterator[Line]:
    """Say what was not judged, and how to see what is left out."""
    foot = [f"{plural(report.dumps, report.noun)}: {report.unjudged} (--exploding-dumps)"] if report.unjudged else []
    if len(report.findings) > shown:
        more = f"{plural(problems - shown, 'more line')}, and " if problems > shown else ""
        foot.append(f"{more}{plural(len(report.findings), 'finding')} in full: --by finding")
    yield from ((),) if foot else ()
    yield from (line(dim(part[0].text)) for text in foot for part in wrapped(text, room))


def _is_told(one: Problem, report: CheckReport) -> bool:
    """Whether blocks that explode are told already, as those that rose first before the whole dump did."""
    first = report.first
    if first is None or one.rule != "exploding" or one.label == WHOLE or not _explodes(report.findings):
        return False
    names, last = set(first.names), first.at if first.at is not None else first.step
    steps = [step for finding in one.findings for step in finding.steps]
    within = first.step is not None and last is not None and all(first.step <= a <= b <= last for a, b in steps)
    return within and all(finding.block in names for finding in one.findings)


def _explodes(findings: Sequence[Finding]) -> bool:
    """Whether a whole dump explodes in one of these findings."""
    return any(one.rule == "exploding" and one.block is None for one in findings)


def _chosen(every: Sequence[Problem], top: int | None) -> list[Problem]:
    """Choose the problems to show: the largest of each rule, then the largest of all, in their own order.

    Of `top` only, those of the more important rules are shown.
    """
    ranks = {id(one): 0 for one in every}
    for _, of_rule in groupby(every, lambda one: one.rule):
        for rank, one in enumerate(sorted(of_rule, key=lambda one: -one.size)):
            ranks[id(one)] = rank
    kept = sorted(every, key=lambda one: (ranks[id(one)] > 0, -one.size if top is None else 0))
    most = top or max(_MOST, sum(rank == 0 for rank in ranks.values()))
    chosen = {id(one) for one in kept[:most]}
    return [one for one in every if id(one) in chosen]


def _problems(report: CheckReport, shown: Sequence[Problem], room: Room) -> Iterator[Line]:
    """Yield the lines of problems; what does not fit beside one stands under it."""
    rows = _fitted(_rows(report, shown), room)
    indent = " " * (max(len(one.rule) for one in shown) + 3)
    left = room.width - width_of(rows) - _GAP
    beside = [one.what if room.whole or cells(one.what) <= left else "" for one in shown]
    rows = [[*row, what] for row, what in zip(rows, beside, strict=True)]
    whole = iter(zip(aligned(rows, [False] * len(rows[0]), _GAP), beside, strict=True))
    for _, group in groupby(shown, lambda one: one.rule):
        of_rule = list(group)
        for one in of_rule:
            row, what = next(whole)
            yield row
            yield from (line(indent, part) for part in ([] if what else _folded(one.what, room, indent)))
        every = [finding for one in of_rule for finding in one.findings]
        for cause in filter(None, dict.fromkeys([*(one.cause for one in every), _first(report.first, every)])):
            yield from (line(indent, part) for part in _folded(cause, room, indent))
        for advice in filter(None, dict.fromkeys(one.advice for one in every)):
            yield from (line(indent, dim(part)) for part in _folded(advice, room, indent))


def _first(first: FirstRise | None, findings: Sequence[Finding]) -> str:
    """Say what rose first before the dump that explodes in one of these findings; empty where all rise together."""
    if first is None or not first.names or not _explodes(findings):
        return ""
    names = [printable(name) for name in first.names]
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    when = f" in {file_name(first.input)}" if first.step is None else f" at step {first.step}"
    whose = "its" if len(names) == 1 else "their"
    high = "not finite" if first.times[0] == math.inf else f"{times(first.times[0])} {whose} usual norm"
    return f"first {', '.join(names[:_NAMED])}{more}{when}, {high}"


def _folded(text: str, room: Room, indent: str) -> list[str]:
    return [text] if room.whole else in_lines(text, room.width - len(indent))


def _rows(report: CheckReport, shown: Sequence[Problem]) -> list[list[str | Span]]:
    """Return the columns rule, block, tensors and steps; a rule is named once, and an empty column is left out."""
    rows: list[list[str | Span]] = []
    before = ""
    for one in shown:
        style: Style = "bad" if one.rule in BAD else "warn"
        rows.append(
            [
                Span("" if one.rule == before else one.rule, style),
                label_of(one, report),
                one.tensors,
                one.when(report.dumps, report.noun),
            ]
        )
        before = one.rule
    used = [k for k in range(len(rows[0])) if any(str(row[k]) for row in rows)]
    return [[row[k] for k in used] for row in rows]


def label_of(one: Problem, report: CheckReport) -> str:
    """Return what a problem is called; the whole of a log is all that it has, unless norms of layers are logged."""
    return one.label if one.label != WHOLE or report.source is None else "whole step" if report.has_layers else ""


def _fitted(rows: list[list[str | Span]], room: Room) -> list[list[str | Span]]:
    """Shorten the names of blocks so that rows fit."""
    over = width_of(rows, _GAP) - room.width
    if room.whole or over <= 0:
        return rows
    labels = [str(row[1]) for row in rows]
    names = shortened(labels, max(_LEAST, max(map(cells, labels)) - over), room.mark)
    return [[row[0], name, *row[2:]] for row, name in zip(rows, names, strict=True)]
