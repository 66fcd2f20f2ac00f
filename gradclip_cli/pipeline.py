"""The whole program, stage by stage: measure, decide, transform, report.

Each command imports here what it alone needs: for a small dump, starting takes longer than the work.
"""

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from gradclip_cli.engine.executors import Workers
from gradclip_cli.engine.series import by_step, shared_names, surveyed
from gradclip_cli.engine.survey import Progress, open_dump
from gradclip_cli.inputs import ranks, shards
from gradclip_cli.inputs.order import in_step_order

if TYPE_CHECKING:
    from gradclip_cli.commands.apply.plan import ApplyPlan
    from gradclip_cli.commands.check.plan import CheckPlan
    from gradclip_cli.commands.stats.plan import StatsPlan
    from gradclip_cli.plan.lists import DiffPlan, LsPlan
    from gradclip_cli.report import ApplyReport, CheckReport, DiffReport, LsReport, StatsReport


usual = np.errstate(divide="warn", over="warn", under="ignore", invalid="warn")
"""What numpy does about odd results unless it is told otherwise; a caller may have told it to raise."""


def silent(_: int, path: str) -> None:
    """Show no progress."""


@usual
def apply(plan: "ApplyPlan", progress: Progress = silent) -> "ApplyReport":
    """Transform dumps; nothing is written before all are measured, and nothing is replaced before all are written."""
    from gradclip_cli.commands.apply.copy_ahead import Ahead
    from gradclip_cli.commands.apply.decisions import decisions
    from gradclip_cli.commands.apply.report import Applied
    from gradclip_cli.commands.apply.rewrite import Rewriting, rewrite
    from gradclip_cli.report import ApplyReport
    from gradclip_cli.storage.atomic import Outputs

    outputs = dict(zip(plan.inputs, plan.outputs, strict=True))
    with Workers(plan.jobs) as workers, Outputs(plan.overwrite, plan.folder) as staging:
        for path, output in outputs.items():
            for target in shards.targets(path, output) if output else ():
                staging.check(target)
        ahead = Ahead(plan, staging)
        read = partial(surveyed, selection=plan.selection, types=plan.norm_types, workers=workers, progress=progress)
        made = decisions(plan, by_step([dump for path in plan.inputs for dump in read(path, follow=ahead.follow)]))
        after, lost = rewrite(outputs, made.decided, Rewriting(plan, workers, staging, ahead, progress))
        reports, notes = [], made.notes
        for one in made.decided:
            applied = Applied(*one, after[one.dump.path], plan)
            reports.append(applied.report(outputs[one.dump.path]))
            notes += [*one.dump.notes, *lost.pop(one.dump.path, ()), *applied.notes()]
        staging.commit()
    norm, threshold = plan.measured, made.threshold(plan)
    notes += [*made.unlike(), *ranks.hint(plan.inputs)]
    return ApplyReport(plan.strategy.name, threshold, norm.type, norm.epsilon, plan.nonfinite, reports, notes)


@usual
def stats(plan: "StatsPlan", progress: Progress = silent) -> "StatsReport":
    """Measure dumps one after the other; of each only its norms are kept."""
    from gradclip_cli.commands.stats.collect import collect
    from gradclip_cli.commands.stats.dump_norms import sums_for
    from gradclip_cli.commands.stats.report import report

    paths = [path for path, _ in in_step_order(plan.inputs)]
    types, shared = sums_for(plan), None
    if plan.allow_missing:
        shared = shared_names(paths, plan.selection, plan.keep_going, plan.skip_steps)
    with Workers(plan.jobs) as workers:
        surveys = (partial(surveyed, path, plan.selection, types, workers, progress) for path in paths)
        collected = collect(surveys, plan, shared)
    return report(plan, collected, ranks.hint(plan.inputs))


@usual
def check(plan: "CheckPlan", progress: Progress = silent) -> "CheckReport":
    """Read dumps one after the other, and apply the rules to their figures."""
    from gradclip_cli.commands.check.collect import collect
    from gradclip_cli.commands.check.report import report

    with Workers(plan.jobs) as workers:
        collected = collect(plan, workers, progress)
    return report(plan, collected, ranks.hint(plan.inputs))


@usual
def diff(plan: "DiffPlan", progress: Progress = silent) -> "DiffReport":
    """Compare two dumps; both are read once, side by side."""
    from gradclip_cli.commands import diff as diffed
    from gradclip_cli.engine.compare import compare, lengths, opened
    from gradclip_cli.numerics.differences import Tolerance
    from gradclip_cli.refusals import check_included

    with opened(plan.a, plan.selection) as a, opened(plan.b, plan.selection) as b, Workers(plan.jobs) as workers:
        check_included([*a.tensors, *b.tensors], plan.selection)
        compared = compare(a, b, Tolerance(plan.rtol, plan.atol), workers, progress)
        others = lengths(a, compared, workers, progress), lengths(b, compared, workers, progress)
        a.verify()
        b.verify()
        return diffed.report(a, b, compared, others)


def ls(plan: "LsPlan") -> "LsReport":
    """List the tensors of dumps; only headers are read."""
    from gradclip_cli.inputs.naming import natural
    from gradclip_cli.refusals import check_included
    from gradclip_cli.report import LsReport, LsTensor
    from gradclip_cli.text import listed

    rows, names, labels, notes = [], list[str](), dict[str, str](), []
    files = [(dump, path) for dump in plan.inputs for path in shards.parts(dump)]
    for whole, path in files:
        with open_dump(path, plan.selection) as (_, reader):
            tensors = shards.named(whole, path, reader.tensors)
            places = plan.selection.naming.places([spec.name for spec in tensors])
            names += [spec.name for spec in tensors] if plan.selection.include else []
            taken = [pair for pair in zip(tensors, places, strict=True) if plan.selection.takes(pair[0].name)]
            for spec, place in sorted(taken, key=lambda pair: natural(pair[1].layer)):
                rows.append(LsTensor(path, spec.name, *place, spec.shape, spec.dtype.name, spec.nbytes))
                labels |= {place.layer: spec.label} if spec.label is not None else {}
            notes += [f"{path}: not numbers: {listed(list(reader.others))}"] if reader.others else []
    check_included(names, plan.selection)
    return LsReport(rows, labels, notes)
