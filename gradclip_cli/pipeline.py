"""The whole program on one screen: run each plan with its command, in threads and processes that end with it.

Each command is imported when it is called, since for a small dump the imports take longer than the work.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np

from gradclip_cli.engine.executors.choice import chosen
from gradclip_cli.engine.executors.progress import Progress, silent
from gradclip_cli.engine.executors.threads import Threads
from gradclip_cli.engine.run import Run
from gradclip_cli.formats.sharing import one_call
from gradclip_cli.notes import Note, merged

if TYPE_CHECKING:
    from gradclip_cli.commands.apply.plan import ApplyPlan
    from gradclip_cli.commands.plans import CheckPlan, DiffPlan, LsPlan, ShowPlan
    from gradclip_cli.commands.report.plan import ReportPlan
    from gradclip_cli.commands.stats.plan import StatsPlan
    from gradclip_cli.engine.memory.memory import Memory
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
def apply(plan: "ApplyPlan", progress: Progress = silent, scheduler: object = None) -> "ApplyReport":
    """Transform dumps, and report norms before and after."""
    from gradclip_cli.commands.apply import flow

    axis = plan.unit_axis if plan.has_units else None
    with chosen(plan.jobs, progress, scheduler, plan.norm_types) as workers:
        run = Run(plan.selection, workers, progress, keep_headers=True, unit_axis=axis)
        return _noted(flow.apply(plan, run), workers)


@default_errstate
@one_call()
def stats(
    plan: "StatsPlan", progress: Progress = silent, scheduler: object = None, memory: "Memory | None" = None
) -> "StatsReport":
    """Measure dumps, and choose thresholds from their norms; what the memory holds is not read."""
    from gradclip_cli.commands.stats import report

    axis = plan.unit_axis if plan.has_units else None
    with chosen(plan.jobs, progress, scheduler, (plan.norm.type, 2.0)) as workers, _remembering(plan, memory) as known:
        run = Run(plan.selection, workers, progress, unit_axis=axis, memory=known)
        found = report.stats(plan, run, known)
    return _noted(_noted(found, workers), known)


@default_errstate
@one_call()
def check(plan: "CheckPlan", progress: Progress = silent, scheduler: object = None) -> "CheckReport":
    """Find problems in dumps."""
    from gradclip_cli.commands.check import report

    with chosen(plan.jobs, progress, scheduler, (1.0, 2.0)) as workers:
        return _noted(report.check(plan, Run(plan.selection, workers, progress)), workers)


@default_errstate
@one_call()
def report(plan: "ReportPlan", progress: Progress = silent, scheduler: object = None) -> "RunReport":
    """Find out all that a page shows of a run, and write it."""
    from gradclip_cli.commands.report import flow, writing

    writing.refuse(plan)
    types, axis = (plan.stats.norm.type, 1.0, 2.0), plan.stats.unit_axis if plan.stats.has_units else None
    with writing.begun(plan) as scripts:
        with chosen(plan.stats.jobs, progress, scheduler, types) as workers, _remembering(plan.stats) as known:
            run = Run(plan.stats.selection, workers, progress, unit_axis=axis, memory=known)
            found = flow.report(plan, run, known)
        found = _noted(_noted(found, workers), known)
        writing.write(plan, found, scripts)
    return found


@default_errstate
@one_call()
def diff(plan: "DiffPlan", progress: Progress = silent) -> "DiffReport":
    """Compare two dumps, or two runs step by step."""
    from gradclip_cli.commands.diff import flow

    with chosen(plan.jobs, progress) as workers:
        return _noted(flow.diff(plan, Run(plan.selection, workers, progress)), workers)


@default_errstate
@one_call()
def show(plan: "ShowPlan", progress: Progress = silent) -> "ShowReport":
    """Show the tensors of one dump, and the values of one of them."""
    from gradclip_cli.commands.show import report

    with chosen(plan.jobs, progress) as workers:
        return _noted(report.show(plan, Run(plan.selection, workers, progress, keep_headers=True)), workers)


@one_call()
def ls(plan: "LsPlan") -> "LsReport":
    """List the tensors of dumps."""
    from gradclip_cli.commands import ls as command

    with Threads(1) as workers:
        return command.ls(plan, Run(plan.selection, workers))


@contextmanager
def _remembering(plan: "StatsPlan | None", memory: "Memory | None" = None) -> Iterator["Memory | None"]:
    """Yield the memory of a call that may take figures from an earlier one."""
    if memory is None and not (plan is not None and plan.cache):
        yield None
        return
    from gradclip_cli.engine.memory.memory import Memory

    with memory or Memory.of_user() as found:
        yield found


class _Noting(Protocol):
    @property
    def notes(self) -> list[Note]:
        """What a user must know about how the work was done."""


def _noted(report: Reported, by: _Noting | None) -> Reported:
    """Return a report with the notes on how its work was done, if there are any."""
    notes: list[Note] = [] if by is None else by.notes
    return report._replace(notes=merged([*report.notes, *notes])) if notes else report
