"""The whole program on one screen: run each plan with its command, in threads and processes that end with it.

Each command is imported when it is called, since for a small dump the imports take longer than the work.
"""

from typing import TYPE_CHECKING, TypeVar

import numpy as np

from gradclip_cli.engine.executors.choice import Chosen
from gradclip_cli.engine.executors.progress import Progress, silent
from gradclip_cli.engine.executors.threads import Threads
from gradclip_cli.engine.run import Run
from gradclip_cli.errors import UsageError
from gradclip_cli.formats.sharing import one_call
from gradclip_cli.notes import merged

if TYPE_CHECKING:
    from gradclip_cli.commands.apply.plan import ApplyPlan
    from gradclip_cli.commands.plans import CheckPlan, DiffPlan, LsPlan, ShowPlan
    from gradclip_cli.commands.report.plan import ReportPlan
    from gradclip_cli.commands.stats.plan import StatsPlan
    from gradclip_cli.reports.apply import ApplyReport
    from gradclip_cli.reports.check import CheckReport
    from gradclip_cli.reports.diff import DiffReport
    from gradclip_cli.reports.listing import LsReport
    from gradclip_cli.reports.run import RunReport
    from gradclip_cli.reports.show import ShowReport
    from gradclip_cli.reports.stats import StatsReport

Reported = TypeVar("Reported", "ApplyReport", "StatsReport", "CheckReport", "DiffReport", "ShowReport", "RunReport")

default_errstate = np.errstate(divide="warn", over="warn", under="ignore", invalid="warn")
"""numpy's default handling of floating-point errors, restored because a caller may have made them raise."""


@default_errstate
@one_call()
def apply(plan: "ApplyPlan", progress: Progress = silent) -> "ApplyReport":
    """Transform dumps, and report norms before and after."""
    from gradclip_cli.commands.apply import flow

    with _workers(plan.jobs, progress) as workers:
        axis = plan.unit_axis if plan.has_units else None
        return _noted(
            flow.apply(plan, Run(plan.selection, workers, progress, keep_headers=True, unit_axis=axis)), workers
        )


@default_errstate
@one_call()
def stats(plan: "StatsPlan", progress: Progress = silent) -> "StatsReport":
    """Measure dumps, and choose thresholds from their norms."""
    from gradclip_cli.commands.stats import report

    with _workers(plan.jobs, progress) as workers:
        axis = plan.unit_axis if plan.has_units else None
        return _noted(report.stats(plan, Run(plan.selection, workers, progress, unit_axis=axis)), workers)


@default_errstate
@one_call()
def check(plan: "CheckPlan", progress: Progress = silent) -> "CheckReport":
    """Find problems in dumps."""
    from gradclip_cli.commands.check import report

    with _workers(plan.jobs, progress) as workers:
        return _noted(report.check(plan, Run(plan.selection, workers, progress)), workers)


@default_errstate
@one_call()
def report(plan: "ReportPlan", progress: Progress = silent) -> "RunReport":
    """Find out all that a page shows of a run, and write it."""
    from gradclip_cli.commands.report import flow, writing

    writing.refuse(plan)
    with _workers(plan.stats.jobs, progress) as workers:
        axis = plan.stats.unit_axis if plan.stats.has_units else None
        found = _noted(flow.report(plan, Run(plan.stats.selection, workers, progress, unit_axis=axis)), workers)
    writing.write(plan, found)
    return found


@default_errstate
@one_call()
def diff(plan: "DiffPlan", progress: Progress = silent) -> "DiffReport":
    """Compare two dumps, or two runs step by step."""
    from gradclip_cli.commands.diff import flow

    with _workers(plan.jobs, progress) as workers:
        return _noted(flow.diff(plan, Run(plan.selection, workers, progress)), workers)


@default_errstate
@one_call()
def show(plan: "ShowPlan", progress: Progress = silent) -> "ShowReport":
    """Show the tensors of one dump, and the values of one of them."""
    from gradclip_cli.commands.show import report

    with _workers(plan.jobs, progress) as workers:
        return _noted(report.show(plan, Run(plan.selection, workers, progress, keep_headers=True)), workers)


@one_call()
def ls(plan: "LsPlan") -> "LsReport":
    """List the tensors of dumps."""
    from gradclip_cli.commands import ls as command

    with Threads(1) as workers:
        return command.ls(plan, Run(plan.selection, workers))


def _workers(jobs: int | None, progress: Progress) -> Chosen:
    """Return what works on `jobs` items at a time, by default one for each processor; raise UsageError where it is below 1."""
    if jobs is not None and jobs < 1:
        raise UsageError(f"jobs must be at least 1, not {jobs}")
    return Chosen(jobs, progress)


def _noted(report: Reported, workers: Chosen) -> Reported:
    """Return a report with the notes on how its work was done, if there are any."""
    return report._replace(notes=merged([*report.notes, *workers.notes])) if workers.notes else report
