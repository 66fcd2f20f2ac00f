"""Assemble the report of `show`: the blocks and tensors of a dump by norm, and the values of one tensor."""

import math
import shlex
from collections.abc import Sequence
from dataclasses import replace
from glob import escape

from gradclip_cli.commands.plans import ShowPlan
from gradclip_cli.commands.show.choice import choose
from gradclip_cli.commands.show.rows import SUMS, Beside, joined, no_gradients, rows_of
from gradclip_cli.commands.show.values import values_of
from gradclip_cli.engine.run import Run
from gradclip_cli.engine.series import check_taken, measure_series
from gradclip_cli.engine.smallest import Smallest
from gradclip_cli.engine.survey import MeasuredDump
from gradclip_cli.engine.tensor_counts import TensorCounts
from gradclip_cli.engine.weights import measure_weights
from gradclip_cli.errors import UsageError
from gradclip_cli.inputs.as_options import as_number, as_options
from gradclip_cli.inputs.naming import block_noun
from gradclip_cli.inputs.selection import Selection
from gradclip_cli.notes import Note, merged
from gradclip_cli.numerics.bands import TARGETS, band_of
from gradclip_cli.reports.show import ShowReport
from gradclip_cli.text import printable


def show(plan: ShowPlan, run: Run) -> ShowReport:
    """Read a dump once; report its tensors, and the values of the one that the plan names."""
    if plan.tensor is None:
        return _listed(plan, run)
    chosen = choose(plan, plan.tensor, run)
    run.selection = _only(chosen.names, run.selection)
    return _looked_into(plan, chosen.scale, run) if len(chosen.names) == 1 else _listed(plan, run)


def _only(names: Sequence[str], selection: Selection) -> Selection:
    """Return a selection of these tensors alone."""
    return replace(selection, include=tuple(map(escape, names)), exclude=())


def _listed(plan: ShowPlan, run: Run) -> ShowReport:
    """Report tensors by their figures."""
    smallest, selection = Smallest(run.workers.work), run.selection
    dump = _the_one(plan, measure_series(plan.input, SUMS, run, smallest.observer_for))
    check_taken([dump], selection)
    values = smallest.values() / dump.stats.scale
    least = [float(values[indices].min()) for indices in dump.named.values()]
    report = _report(plan, dump, least, selection, run)
    others = no_gradients(dump, selection.takes, selection.naming.block)
    return report._replace(params=joined(report.params, others) if others else report.params)


def _looked_into(plan: ShowPlan, scale: float, run: Run) -> ShowReport:
    """Report one tensor, and its values; it has no share in what was not read."""
    counts = TensorCounts([band_of(dtype).stored(scale) for dtype in TARGETS], run.workers.work)
    dump = _the_one(plan, measure_series(plan.input, SUMS, run, counts.observer_for))
    ((name, indices),) = dump.named.items()
    found = values_of(name, counts.of(dump, indices), dump, indices)
    smallest = found.values.min_abs
    least = [math.inf if smallest is None else smallest]
    report = _report(plan, dump, least, run.selection, run)
    return report._replace(
        tensor=name,
        blocks=[block._replace(share=None) for block in report.blocks],
        module_kinds=[kind._replace(share=None) for kind in report.module_kinds],
        params=[param._replace(share=None) for param in report.params],
        **found._asdict(),
    )


def _command(plan: ShowPlan) -> str:
    """Return the command that shows the dump with the same options; an empty text where its words do not print, or hold a secret."""
    options = as_options(plan.selection, plan.choices, allow_missing=plan.allow_missing)
    if options is None or any(printable(path) != path for path in (plan.given, *plan.weights_at)):
        return ""
    options += [f"--weights {shlex.quote(path)}" for path in plan.weights_at]
    options += [] if plan.lr is None else [f"--lr {as_number(plan.lr)}"]
    return " ".join(["gradclip show", shlex.quote(plan.given), *options])


def _beside(plan: ShowPlan, dump: MeasuredDump, run: Run) -> tuple[Beside | None, list[Note]]:
    """Measure the weights, if there are any; return notes on those that are missing, too."""
    if not plan.weights:
        return None, []
    weights = measure_weights(plan.weights, run, allow_missing=plan.allow_missing)
    found = weights.beside(dump).every()
    weights.check()
    return Beside([None if one is None else one.norm for one in found], plan.lr), weights.notes()


def _report(
    plan: ShowPlan, dump: MeasuredDump, smallest: Sequence[float], selection: Selection, run: Run
) -> ShowReport:
    """Report a measured dump; `smallest` holds the smallest |g| above 0 of each of its tensors, infinite where there is none."""
    beside, notes = _beside(plan, dump, run)
    rows = rows_of(dump, smallest, selection.naming.block, beside)
    return ShowReport(
        input=dump.source.label,
        step=dump.step,
        tensor=plan.tensor,
        total=rows.total,
        blocks=rows.blocks,
        module_kinds=rows.kinds,
        params=rows.params,
        notes=merged([*plan.notes, *dump.notes, *notes]),
        labels=dump.labels,
        name=dump.source.name,
        command=_command(plan),
        block_noun=block_noun(list(dump.layers), selection.naming),
    )


def _the_one(plan: ShowPlan, dumps: Sequence[MeasuredDump]) -> MeasuredDump:
    """Return the only dump that has any of the selected tensors; raise UsageError where several have."""
    found = [dump for dump in dumps if len(dump.stats)] or [dumps[0]]
    if len(found) > 1:
        steps = f"from {found[0].step} to {found[-1].step}"
        raise UsageError(
            f"{printable(plan.input.location)} holds {len(found):,} steps, {steps}; choose one with --step"
        )
    return found[0]
