"""The whole program, stage by stage: measure, decide, transform, report.

Each command imports here what it alone needs: for a small dump, starting takes longer than the work.
"""

from typing import TYPE_CHECKING

import numpy as np

from gradclip_cli.engine.executors import Threads
from gradclip_cli.engine.run import Progress, Run, silent
from gradclip_cli.engine.series import by_step, measure_series, shared_names
from gradclip_cli.formats.opening import one_call
from gradclip_cli.inputs.layouts import ranks

if TYPE_CHECKING:
    from gradclip_cli.commands.apply.plan import ApplyPlan
    from gradclip_cli.commands.check.plan import CheckPlan
    from gradclip_cli.commands.diff import DiffPlan
    from gradclip_cli.commands.ls import LsPlan
    from gradclip_cli.commands.stats.plan import StatsPlan
    from gradclip_cli.reports.apply import ApplyReport
    from gradclip_cli.reports.check import CheckReport
    from gradclip_cli.reports.diff import DiffReport
    from gradclip_cli.reports.listing import LsReport
    from gradclip_cli.reports.stats import StatsReport


usual = np.errstate(divide="warn", over="warn", under="ignore", invalid="warn")
"""What numpy does about odd results unless it is told otherwise; a caller may have told it to raise."""


@usual
@one_call()
def apply(plan: "ApplyPlan", progress: Progress = silent) -> "ApplyReport":
    """Transform dumps; nothing is written before all are measured, and nothing is replaced before all are written."""
    from gradclip_cli.commands.apply.copy_ahead import CopyAhead
    from gradclip_cli.commands.apply.decisions import decide
    from gradclip_cli.commands.apply.report import summarize
    from gradclip_cli.commands.apply.rewrite import DumpRewriter
    from gradclip_cli.storage.atomic import Outputs

    with Threads(plan.jobs) as workers, Outputs(plan.overwrite, plan.folder) as outputs:
        for target in plan.targets:
            outputs.check(target)
        run, ahead = Run(plan.selection, workers, progress, keep_headers=True), CopyAhead(plan, outputs)
        types, observer_for = plan.norm_types, ahead.observer_for
        dumps = by_step([dump for source in plan.inputs for dump in measure_series(source, types, run, observer_for)])
        decided = decide(plan, dumps)
        written = DumpRewriter(plan, run, outputs, ahead).rewrite(decided.dumps)
        report = summarize(plan, decided, written)
        outputs.commit()
    return report


@usual
@one_call()
def stats(plan: "StatsPlan", progress: Progress = silent) -> "StatsReport":
    """Measure dumps one after the other; of each only its norms are kept."""
    from functools import partial

    from gradclip_cli.commands.stats.collect import collect
    from gradclip_cli.commands.stats.dump_norms import sums_for
    from gradclip_cli.commands.stats.report import report
    from gradclip_cli.inputs.discovery import in_step_order

    sources = [source for source, _ in in_step_order(plan.inputs)]
    types, shared = sums_for(plan), None
    with Threads(plan.jobs) as workers:
        run = Run(plan.selection, workers, progress)
        if plan.allow_missing:
            shared = shared_names(sources, run, plan.keep_going, plan.skip_steps)
        surveys = (partial(measure_series, source, types, run) for source in sources)
        collected = collect(surveys, plan, shared)
    return report(plan, collected, ranks.hint(plan.inputs))


@usual
@one_call()
def check(plan: "CheckPlan", progress: Progress = silent) -> "CheckReport":
    """Read dumps one after the other, and apply the rules to their figures."""
    from gradclip_cli.commands.check.collect import collect
    from gradclip_cli.commands.check.report import report

    with Threads(plan.jobs) as workers:
        collected = collect(plan, Run(plan.selection, workers, progress))
    return report(plan, collected, ranks.hint(plan.inputs))


@usual
@one_call()
def diff(plan: "DiffPlan", progress: Progress = silent) -> "DiffReport":
    """Compare two dumps; both are read once, side by side."""
    from gradclip_cli.commands import diff as command

    with Threads(plan.jobs) as workers:
        return command.diff(plan, Run(plan.selection, workers, progress))


@one_call()
def ls(plan: "LsPlan") -> "LsReport":
    """List the tensors of dumps; only headers are read."""
    from gradclip_cli.commands import ls as command

    with Threads(1) as workers:
        return command.ls(plan, Run(plan.selection, workers))
