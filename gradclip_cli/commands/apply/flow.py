"""`apply`: measure, decide, rewrite, report."""

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from gradclip_cli.commands.apply.copy_ahead import CopyAhead
from gradclip_cli.commands.apply.decisions import decide
from gradclip_cli.commands.apply.outputs import check_kept, check_new
from gradclip_cli.commands.apply.plan import ApplyPlan
from gradclip_cli.commands.apply.report import summarize
from gradclip_cli.commands.apply.rewrite import DumpRewriter
from gradclip_cli.engine.run import Run
from gradclip_cli.engine.series import by_step, measure_in_order
from gradclip_cli.engine.weights import measure_weights
from gradclip_cli.inputs.ordering import expect_all, in_step_order
from gradclip_cli.inputs.repeats import settled
from gradclip_cli.reports.apply import ApplyReport
from gradclip_cli.storage.atomic import Outputs
from gradclip_cli.storage.remote.kept import read_twice

if TYPE_CHECKING:
    from gradclip_cli.commands.apply.elsewhere import Elsewhere


def apply(plan: ApplyPlan, run: Run) -> ApplyReport:
    """Transform dumps; nothing is written before all are measured, and nothing is replaced before all are written."""
    files = [file for source in plan.inputs for file in source.files]
    with read_twice(files), Outputs(plan.overwrite, plan.folder, tidy=run.workers.far) as outputs:
        if not plan.overwrite:
            check_new(plan.inputs, plan.targets)
        check_kept(plan.weights, plan.targets)
        for target in plan.targets:
            outputs.check(target)
        ahead = CopyAhead(plan, outputs, wanted=not run.workers.far)
        expect_all(in_step_order(plan.inputs))
        types, observer_for = plan.norm_types, ahead.observer_for if plan.selection.along is None else None
        each = measure_in_order(in_step_order(plan.inputs), types, run, observer_for)
        dumps = by_step([dump for measure in each for dump in measure()])
        dumps, _ = settled(dumps, lambda dump: dump.place, plan.repeated, whole_files=True)
        weights = measure_weights(plan.weights, run, allow_missing=plan.allow_missing) if plan.weights else None
        decided = decide(plan, dumps, weights, run)
        with _elsewhere(plan, run, outputs) as elsewhere:
            rewriter = DumpRewriter(plan, run, outputs, ahead)
            written = rewriter.rewrite(decided.dumps, elsewhere.rewrite if elsewhere is not None else None)
            report = summarize(plan, decided, written, outputs)
            if elsewhere is not None:
                elsewhere.settle()
            outputs.commit()
    return report


def _elsewhere(plan: ApplyPlan, run: Run, outputs: Outputs) -> "AbstractContextManager[Elsewhere | None]":
    """Return what has outputs written by other machines, if there are any."""
    if not run.workers.far:
        return nullcontext()
    from gradclip_cli.commands.apply.elsewhere import Elsewhere  # with all that talks to them

    return Elsewhere(plan.writing, run, outputs)
