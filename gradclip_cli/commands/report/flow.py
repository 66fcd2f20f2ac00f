"""Read a run, and report its norms, thresholds and problems together."""

from typing import TYPE_CHECKING

from gradclip_cli.commands.check.report import report_of_logs
from gradclip_cli.commands.report.against import on_steps, parted
from gradclip_cli.commands.report.plan import ReportPlan
from gradclip_cli.commands.report.reading import Reading
from gradclip_cli.commands.stats.report import stats, stats_of_logs
from gradclip_cli.engine.run import Run
from gradclip_cli.errors import UsageError
from gradclip_cli.notes import merged
from gradclip_cli.reports.check import CheckReport
from gradclip_cli.reports.run import RunReport
from gradclip_cli.reports.stats import StatsReport
from gradclip_cli.reports.stats_series import LAYER
from gradclip_cli.text import printable

if TYPE_CHECKING:
    from gradclip_cli.engine.memory.memory import Memory


def report(plan: ReportPlan, run: Run, memory: "Memory | None" = None) -> RunReport:
    """Read a run once, and then the one that it is held against, of which what the memory holds is not read."""
    norms, found, values = _of_logs(plan, run) if plan.stats.logs is not None else Reading(plan, run).report()
    if plan.by != LAYER and plan.stats.logs is not None and not norms.layers:
        raise UsageError(f"--by {plan.by} groups layers, and {printable(norms.inputs[0])} has none; leave it out")
    notes, failed, other, apart = [*norms.notes, *found.notes], [*norms.failed], None, None
    if plan.against is not None:
        other = stats(plan.against, Run(plan.against.selection, run.workers, run.progress), memory)
        notes += [*other.notes, *on_steps(norms, other)]
        failed += other.failed
        apart = parted(norms, other)
    return RunReport(plan.title, norms, found, other, merged(notes), failed, values, apart, plan.by)


def _of_logs(plan: ReportPlan, run: Run) -> tuple[StatsReport, CheckReport, None]:
    from gradclip_cli.commands.stats.logged import read_logs  # with all readers of logs

    joined = read_logs(plan.stats)
    return stats_of_logs(joined, plan.stats), report_of_logs(plan.check, joined, run), None
