"""`check`: reduce a series to figures, and report what each check finds in them."""

from collections.abc import Sequence

from gradclip_cli.checks.base import Figures, Problem
from gradclip_cli.checks.registry import findings
from gradclip_cli.commands.check.collect import Collected, collect, series_figures, targets
from gradclip_cli.commands.plans import CheckPlan
from gradclip_cli.engine.run import Run
from gradclip_cli.notes import merged
from gradclip_cli.reports.check import CheckReport, Finding
from gradclip_cli.text import plural

_MOST = 4
"""The most dumps that a finding names one by one."""


def check(plan: CheckPlan, run: Run) -> CheckReport:
    """Reduce dumps to figures, and apply the checks to them."""
    return report(plan, collect(plan, run))


def report(plan: CheckPlan, collected: Collected) -> CheckReport:
    """Apply the checks to the figures of a series."""
    dumps = collected.dumps
    figures = series_figures(collected, targets(plan), plan.selection.naming)
    inputs = [one.source.label for one in dumps]
    rows = [
        Finding(
            check,
            inputs[one.dumps[0]],
            dumps[one.dumps[0]].step,
            *_place(one, figures),
            one.value,
            one.limit,
            _message(one) + _recurrence(one.dumps, figures.dumps),
        )
        for check, one in findings(plan.rules, figures, plan.limits)
    ]
    return CheckReport(rows, len(inputs), merged([*plan.notes, *collected.notes]), collected.failed)


def _place(one: Problem, figures: Figures) -> tuple[str | None, str | None]:
    if one.tensor is None:
        return one.layer, None
    return figures.tensors[one.tensor].layer, figures.tensors[one.tensor].param


def _message(one: Problem) -> str:
    return f"{one.message}: {one.advice}" if one.advice else one.message


def _recurrence(rows: Sequence[int], dumps: Sequence[str]) -> str:
    """Say in how many dumps the same problem was found; empty for one."""
    if len(rows) == 1:
        return ""
    names = [dumps[row] for row in rows]
    which = ", ".join(names) if len(rows) <= _MOST else f"{names[0]} to {names[-1]}"
    return f" (in {len(rows):,} of {plural(len(dumps), 'dump')}: {which})"
