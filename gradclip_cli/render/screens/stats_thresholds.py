"""Show thresholds on the screen of `stats`: what each rule chooses, which steps that clips, and which one is advised."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from gradclip_cli.render.paste import usual_line
from gradclip_cli.render.screens.folding import wrapped
from gradclip_cli.render.screens.line import Line, Span, aligned, dim, line, strong, width_of
from gradclip_cli.render.screens.room import Room
from gradclip_cli.render.screens.stats_findings import numbers
from gradclip_cli.render.tables.grid import factor_text, figure
from gradclip_cli.reports.stats import StatsReport
from gradclip_cli.reports.stats_thresholds import Advised, Ranges, Tried
from gradclip_cli.strategies import Group, find
from gradclip_cli.text import percent, plural, sentence, steps_text
from gradclip_cli.thresholds.base import MIN_STEPS
from gradclip_cli.thresholds.rules import ROBUST, RULES

_ALSO_KNOWN = {
    "clip-by-global-norm": "PyTorch's clip_grad_norm_",
    "clip-elementwise-absolute-value": "PyTorch's clip_grad_value_",
    "clip-l2-per-param-type": "Keras's clipnorm",
    "clip-l2-per-layer": "DL4J's ClipL2PerLayer",
}
_RATES = {
    Group.DUMP: "clips",
    Group.LAYER: "clips layers",
    Group.TENSOR: "clips tensors",
    Group.UNIT: "clips units",
    Group.ELEMENT: "in tensors",
}
_STEPS, _NARROWEST = 4, 12
"""The column with the lists of steps, and their least width."""


class _Row(NamedTuple):
    rule: str
    threshold: float | None
    clip_rate: float | None
    mean_factor: float | None
    steps: Ranges | None  # that are clipped, or skipped where there is a rate of these
    skip_rate: float | None = None


def lines(report: StatsReport, room: Room) -> Iterator[Line]:
    """Yield a table for each strategy that is shown, with the sentence why, and the table of what the user tries."""
    for number, advice in enumerate(report.advised):
        if number:
            yield ()
        yield from _of(report, advice, room)
    if report.tries:
        yield ()
        yield from what_if(report, room)


def _of(report: StatsReport, advice: Advised, room: Room) -> Iterator[Line]:
    rows = _rows(report, advice)
    marked = None if advice.too_few else advice.rule
    any_row = any(row.threshold is not None for row in rows)
    yield _title(advice.strategy, room, marked=any_row and marked is not None)
    if any_row:
        yield from _table(rows, marked, numbers(report), room, _RATES[find(advice.strategy).group])
    yield from _why(report, advice, room)


def _title(strategy: str, room: Room, *, marked: bool) -> Line:
    """Return the heading: what else a strategy is called, and what the mark in the table means, where there is room."""
    parts = [strong(f"threshold for {strategy}")]
    for more in ([Span(f" ({_ALSO_KNOWN[strategy]})")] if strategy in _ALSO_KNOWN else []) + [
        dim("   > advised")
    ] * marked:
        if room.whole or sum(len(part.text) for part in (*parts, more)) <= room.width:
            parts.append(more)
    return tuple(parts)


def _rows(report: StatsReport, advice: Advised) -> list[_Row]:
    """Return the rules, with the one that the user asked for and the advised one."""
    usual = [str(rule) for rule in RULES if rule is not ROBUST]
    found = {
        one.rule: _Row(one.rule, one.threshold, one.clip_rate, one.mean_factor, one.steps)
        for one in report.candidates
        if one.strategy == advice.strategy and one.rule in (*usual, advice.rule)
    }
    for one in report.suggestions:
        if one.strategy == advice.strategy:
            steps = one.steps if one.skip_rate is None else one.skipped_steps
            figures = one.threshold, one.clip_rate, one.mean_factor
            found.setdefault(one.rule, _Row(one.rule, *figures, steps, one.skip_rate))
    if advice.rule is not None:
        found.setdefault(
            advice.rule, _Row(advice.rule, advice.threshold, advice.clip_rate, advice.mean_factor, advice.steps)
        )
    return list(found.values())


def _table(rows: Sequence[_Row], marked: str | None, every: Sequence[int], room: Room, rate: str) -> Iterator[Line]:
    """Yield the table of rules, the one of that name `marked`; `every` has the steps of all dumps."""
    heads, right = ["", "value", "rule", rate, "steps", "mean factor"], [True, True, False, True, False, True]
    plain = _fitted([_cells(row, marked, every) for row in rows], [row.steps for row in rows], every, heads, room)
    if not any(row.steps is not None for row in rows):  # steps have no numbers
        heads, right, plain = (_without(_STEPS, one) for one in (heads, right, plain))
    styled = [
        [strong(cell) if row.rule == marked else Span(cell) for cell in cells]
        for row, cells in zip(rows, plain, strict=True)
    ]
    yield from aligned([heads, *styled], right, indent=0)


def _cells(row: _Row, marked: str | None, every: Sequence[int]) -> list[str]:
    mark = "  >" if row.rule == marked else "   "
    values = figure(row.threshold), row.rule, _rate(row.clip_rate, row.skip_rate), steps_text(row.steps, every)
    return [mark, *values, factor_text(row.mean_factor, 3)]


def _rate(clips: float | None, skips: float | None) -> str:
    return percent(clips) if skips is None else f"skips {percent(skips)}"


def _fitted(
    rows: list[list[str]], steps: Sequence[Ranges | None], every: Sequence[int], heads: Sequence[str], room: Room
) -> list[list[str]]:
    """Shorten the lists of steps until rows fit."""
    over = width_of([heads, *rows], indent=0) - room.width
    if over <= 0:
        return rows
    width = max(_NARROWEST, max(len(row[_STEPS]) for row in rows) - over)
    return [
        [*row[:_STEPS], steps_text(one, every, width), *row[_STEPS + 1 :]] for row, one in zip(rows, steps, strict=True)
    ]


def _without(k: int, values: Any) -> Any:
    """Leave out the cell `k` of a row, or of each of several."""
    if values and isinstance(values[0], list):
        return [_without(k, row) for row in values]
    return [*values[:k], *values[k + 1 :]]


def _why(report: StatsReport, advice: Advised, room: Room) -> Iterator[Line]:
    """Say why a threshold is advised where that is not plain, and how to write it in PyTorch."""
    if advice.threshold is None:
        yield from wrapped(sentence(advice.reason), room, 1)
        return
    if advice.too_few:
        yield from wrapped(sentence(advice.reason), room, 1)
        return
    reasons = [f"{advice.rule}: {advice.reason}."] if advice.doubtful or advice.rule != str(RULES[0]) else []
    steps = len(report.dumps)
    reasons += [f"{plural(steps, 'step')} are few, so measure more before you rely on it."] if steps < MIN_STEPS else []
    if reasons:
        yield from wrapped(" ".join(reasons), room, 1)
    yield from _noted(report, advice, room)
    code = usual_line(find(advice.strategy), advice.threshold, report.norm_type, report.min_weight_norm)
    if code is not None and "\n" not in code:
        yield line(" ", code)  # a user may copy it, so that it is never folded here


def _noted(report: StatsReport, advice: Advised, room: Room) -> Iterator[Line]:
    """Say what is to be known of a rule that the user asked for, and that is not among the usual ones."""
    for one in report.suggestions:
        if one.strategy == advice.strategy and one.note and one.rule not in (*map(str, RULES), advice.rule):
            yield from wrapped(f"{one.rule}: {one.note}.", room, 1)


def what_if(report: StatsReport, room: Room) -> Iterator[Line]:
    """Yield what the strategies that are tried would do."""
    heads, right = ["", "strategy", "threshold", "clips", "steps"], [False, False, True, True, False]
    heads, right = [*heads, "mean factor", "energy lost"], [*right, True, True]
    tries, every = report.tries or [], numbers(report)
    which = [row.steps if row.skip_rate is None else row.skipped_steps for row in tries]
    rows = [
        [
            " ",
            _called(row),
            figure(row.threshold),
            _rate(row.clip_rate, row.skip_rate),
            steps_text(steps, every),
            factor_text(row.mean_factor, 3),
            percent(row.lost_energy),
        ]
        for row, steps in zip(tries, which, strict=True)
    ]
    rows = _fitted(rows, which, every, heads, room)
    yield line(strong("what if"))
    yield from aligned([heads, *rows], right, indent=0)
    noted: dict[str, list[str]] = {}
    for one in tries:
        if one.note:
            alone = one.rule is not None and sum(other.rule == one.rule for other in tries) == 1
            noted.setdefault(one.note, []).append(str(one.rule) if alone else _called(one))
    for note, names in noted.items():
        yield from wrapped(f"{', '.join(dict.fromkeys(names))}: {note}", room, 1)


def _called(row: Tried) -> str:
    return row.strategy if row.rule is None else f"{row.strategy} {row.rule}"
