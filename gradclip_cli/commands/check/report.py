"""`check`: reduce a series to figures, and report what each check finds in them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gradclip_cli.checks import accumulating
from gradclip_cli.checks.base import Figures, Problem
from gradclip_cli.checks.registry import findings
from gradclip_cli.commands.check.baseline import notes_on, read_baseline
from gradclip_cli.commands.check.collect import Collected, collect, series_figures, targets
from gradclip_cli.commands.check.follows import follows
from gradclip_cli.commands.check.slices_named import with_slices
from gradclip_cli.commands.check.steady_slices import on_slices
from gradclip_cli.commands.plans import CheckPlan
from gradclip_cli.engine.run import Run
from gradclip_cli.errors import GradclipError
from gradclip_cli.inputs.naming import Naming
from gradclip_cli.notes import Note, merged
from gradclip_cli.reports.check import NO_GRADIENT, NOT_JUDGED, CheckReport, Finding, FirstRise
from gradclip_cli.text import plural
from gradclip_cli.thresholds.rises import first_rises

if TYPE_CHECKING:
    from gradclip_cli.inputs.norm_logs.joining import JoinedLogs

_MOST = 4
"""The most dumps that a finding names one by one."""


def check(plan: CheckPlan, run: Run) -> CheckReport:
    """Reduce dumps to figures, and apply the checks to them; logs hold norms only."""
    if plan.logs is not None:
        from gradclip_cli.inputs.norm_logs.joining import join_logs  # with all readers of logs

        return report_of_logs(plan, join_logs(plan.logs.paths, plan.logs.options, plan.selection.steps), run)
    return report(plan, collect(plan, run), run)


def report(plan: CheckPlan, collected: Collected, run: Run) -> CheckReport:
    """Apply the checks to a series; some read parts of its dumps again."""
    figures = series_figures(collected, targets(plan), plan.selection.naming)
    figures = _followed(figures, collected, plan, run)
    figures, notes, failed = _held_against(figures, plan, run)
    inputs = [one.source.label for one in collected.dumps]
    found = [*with_slices(findings(plan.rules, figures, plan.limits), figures, collected.dumps, run)]
    found += on_slices(collected.zero, collected.steady, figures, plan.limits)
    found.sort(key=lambda pair: plan.rules.index(pair[0]))
    rows = [_finding(rule, one, figures, inputs, plan.selection.naming) for rule, one in found]
    gradients, few = bool(figures.elements.any()), _unjudged(plan, figures)
    notes = merged([*plan.notes, *collected.notes, *notes, *_on_what_is_missing(few, len(inputs), gradients=gradients)])
    errors, first = [*collected.failed, *failed], _first(found, figures, inputs)
    return CheckReport(rows, len(inputs), notes, errors, first, few if gradients else "", gradients)


def report_of_logs(plan: CheckPlan, joined: "JoinedLogs", run: Run) -> CheckReport:
    """Apply the checks that take norms only to the norms of logs."""
    from gradclip_cli.commands.check.logged import judged_rules, logged_figures  # with all readers of logs

    figures = logged_figures(joined, plan.selection.naming)
    rules, left = judged_rules(plan.rules, figures, plan.limits, joined.logs[0].path)
    figures, notes, failed = _held_against(figures, plan, run)
    found, inputs = list(findings(rules, figures, plan.limits)), joined.paths
    rows = [_finding(rule, one, figures, inputs, plan.selection.naming) for rule, one in found]
    few = _unjudged(plan, figures)
    said = [Note(NOT_JUDGED, f"{plural(len(inputs), 'step')}: {few} (--exploding-dumps)")] if few else []
    report = CheckReport(
        rows,
        len(inputs),
        merged([*plan.notes, *joined.notes, *notes, *left, *said]),
        failed,
        _first(found, figures, inputs),
        few,
    )
    return report._replace(source="log", column=joined.column, rules=tuple(rules))


def _unjudged(plan: CheckPlan, figures: Figures) -> str:
    """Say that too few norms of a series are finite to judge whether it explodes; empty where they are not, and for one dump."""
    finite, least = int(np.isfinite(figures.dump_norms).sum()), plan.limits.exploding_dumps
    if "exploding" not in plan.rules or len(figures.dumps) < 2 or finite >= least:
        return ""
    return f"explosions not judged, which takes {least}{' finite norms' if finite < len(figures.dumps) else ''}"


def _on_what_is_missing(unjudged: str, dumps: int, *, gradients: bool) -> list[Note]:
    """Note that there was nothing to check, or what was not judged."""
    which = plural(dumps, "dump")
    if not gradients:
        return [Note(NO_GRADIENT, f"no gradient in {which}: nothing was checked")]
    return [Note(NOT_JUDGED, f"{which}: {unjudged} (--exploding-dumps)")] if unjudged else []


def _first(
    found: Sequence[tuple[str, Problem]], figures: Figures, inputs: Sequence[str | list[str]]
) -> FirstRise | None:
    """Return what rose first before the highest dump that explodes, or else before the first that is not finite."""
    exploding = [row for rule, one in found if rule == "exploding" and one.whole for row in one.dumps]
    broken = [one.dumps[0] for rule, one in found if rule == "nonfinite"]
    if not (exploding or broken) or len(figures.blocks.groups) < 2:
        return None
    row = max(exploding, key=lambda row: float(figures.dump_norms[row])) if exploding else min(broken)
    (rise,) = first_rises(figures.blocks, [row])
    return FirstRise.of(rise, row, figures.blocks.groups, figures.steps, inputs)


def _followed(figures: Figures, collected: Collected, plan: CheckPlan, run: Run) -> Figures:
    """Compare the tensors whose norms look like those of sums with themselves in the dumps before."""
    rises = accumulating.suspects(figures, plan.limits) if "accumulating" in plan.rules else []
    if not rises:
        return figures
    rows = {figures.tensors[column].name: rows for column, rows in accumulating.sampled(rises).items()}
    last = follows({name: some[-1:] for name, some in rows.items()}, collected.dumps, run)
    alike = [name for name, some in last.items() if any(accumulating.may_be_sum(one) for one in some)]
    rest = follows({name: rows[name][:-1] for name in alike}, collected.dumps, run)
    columns = {figures.tensors[column].name: column for column, *_ in rises}
    return replace(figures, follows={columns[name]: [*rest.get(name, []), *some] for name, some in last.items()})


def _held_against(figures: Figures, plan: CheckPlan, run: Run) -> tuple[Figures, list[Note], list[GradclipError]]:
    """Read the baseline, if there is one, with notes on it and the errors of dumps that were left out."""
    if not plan.baseline and plan.baseline_logs is None:
        return figures, [], []
    baseline, notes, failed = read_baseline(plan, run)
    return replace(figures, baseline=baseline), [*notes, *notes_on(baseline, figures)], failed


def _finding(rule: str, one: Problem, figures: Figures, inputs: Sequence[str | list[str]], naming: Naming) -> Finding:
    first, message = one.dumps[0], f"{one.message}: {one.advice}" if one.advice else one.message
    layer, param = _place(one, figures)
    block = one.block or (None if layer is None or one.whole else naming.block(layer))
    return Finding(
        rule,
        inputs[first],
        figures.steps[first],
        layer,
        param,
        one.value,
        one.limit,
        message if one.dated else message + _recurrence(one.dumps, figures),
        block,
        len(one.dumps),
        _ranges(one.dumps, figures.steps),
        one.value if one.worst is None else one.worst,
        None if one.place is None else list(one.place),
        one.slices,
        one.brief or one.message,
        one.cause,
        one.advice,
    )


def _place(one: Problem, figures: Figures) -> tuple[str | None, str | None]:
    if one.tensor is None:
        return one.layer, None
    return figures.tensors[one.tensor].layer, figures.tensors[one.tensor].param


def _ranges(rows: Sequence[int], steps: Sequence[int | None]) -> list[tuple[int, int]]:
    """Return the first and the last step of each run of dumps; dumps without a step are left out.

    >>> _ranges([0, 1, 2, 4], [10, 20, 30, 40, 50, None])
    [(10, 30), (50, 50)]
    """
    found: list[tuple[int, int]] = []
    before = -2
    for row in rows:
        step = steps[row]
        if step is not None:
            found.append((found.pop()[0] if row == before + 1 and found else step, step))
            before = row
    return found


def _recurrence(rows: Sequence[int], figures: Figures) -> str:
    """Say in how many dumps the same problem was found; empty for one."""
    if len(rows) == 1:
        return ""
    names = [figures.dumps[row] for row in rows]
    which = ", ".join(names) if len(rows) <= _MOST else f"{names[0]} to {names[-1]}"
    return f" (in {len(rows):,} of {plural(len(figures.dumps), figures.noun)}: {which})"
