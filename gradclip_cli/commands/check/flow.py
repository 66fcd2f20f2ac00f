"""`check`: reduce a series to figures, and ask every check about them."""

from gradclip_cli.commands.check.collect import collect
from gradclip_cli.commands.check.report import report
from gradclip_cli.commands.plans import CheckPlan
from gradclip_cli.engine.run import Run
from gradclip_cli.inputs.layouts import ranks
from gradclip_cli.reports import CheckReport


def check(plan: CheckPlan, run: Run) -> CheckReport:
    """Read dumps one after the other, and apply the checks to their figures."""
    return report(plan, collect(plan, run), ranks.hint(plan.inputs))
