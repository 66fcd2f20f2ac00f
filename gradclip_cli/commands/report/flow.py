"""Read a run, and report its norms, thresholds and problems together."""

from gradclip_cli.commands.check.report import check
from gradclip_cli.commands.report.plan import ReportPlan
from gradclip_cli.commands.stats.report import stats
from gradclip_cli.engine.run import Run
from gradclip_cli.notes import merged
from gradclip_cli.reports.run import RunReport


def report(plan: ReportPlan, run: Run) -> RunReport:
    """Read a run, and the one that it is held against."""
    norms, found = stats(plan.stats, run), check(plan.check, run)
    against = (
        None if plan.against is None else stats(plan.against, Run(plan.against.selection, run.workers, run.progress))
    )
    notes = [*norms.notes, *found.notes, *(against.notes if against else ())]
    return RunReport(plan.title, norms, found, against, merged(notes), norms.failed)
