"""`check`: reduce a series to figures, and report what each check finds in them."""

from collections.abc import Sequence

from gradclip_cli.checks.base import Figures, Problem
from gradclip_cli.checks.registry import findings
from gradclip_cli.commands.check.collect import Collected, collect, series_figures, targets
from gradclip_cli.commands.plans import CheckPlan
from gradclip_cli.engine.run import Run
from gradclip_cli.inputs.layouts import ranks
from gradclip_cli.reports.check import CheckReport, Finding
from gradclip_cli.text import count

_FEW = 4
"""So many dumps are named one by one."""


def check(plan: CheckPlan, run: Run) -> CheckReport:
    """Read dumps one after the other, and apply the checks to their figures."""
    return report(plan, collect(plan, run), ranks.hint(plan.inputs))


def report(plan: CheckPlan, collected: Collected, notes: Sequence[str] = ()) -> CheckReport:
    """Apply the checks to what was read; `notes` are those on the inputs."""
    dumps = collected.dumps
    figures = series_figures(dumps, targets(plan))
    inputs = [one.source.label for one in dumps]
    rows = [
        Finding(
            check,
            inputs[one.dumps[0]],
            dumps[one.dumps[0]].step,
            *_place(one, figures),
            one.value,
            one.limit,
            one.message + _often(one.dumps, figures.dumps),
        )
        for check, one in findings(plan.rules, figures, plan.limits)
    ]
    return CheckReport(rows, len(inputs), [*collected.notes, *notes], collected.failed)


def _place(one: Problem, figures: Figures) -> tuple[str | None, str | None]:
    if one.tensor is None:
        return one.layer, None
    return figures.tensors[one.tensor].layer, figures.tensors[one.tensor].param


def _often(rows: Sequence[int], dumps: Sequence[str]) -> str:
    """Say in how many dumps the same was found."""
    if len(rows) == 1:
        return ""
    names = [dumps[row] for row in rows]
    which = ", ".join(names) if len(rows) <= _FEW else f"{names[0]} to {names[-1]}"
    return f" (in {len(rows):,} of {count(len(dumps), 'dump')}: {which})"
