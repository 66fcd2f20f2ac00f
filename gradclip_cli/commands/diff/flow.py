"""Compare two dumps, or two runs: whatever both sides turn out to be once they are open."""

from contextlib import ExitStack

from gradclip_cli.commands.diff import rows
from gradclip_cli.commands.diff.pair import ComparedPair, check_names, compare_pair
from gradclip_cli.commands.diff.pairing import check_both_runs, paired
from gradclip_cli.commands.diff.runs import compare_runs
from gradclip_cli.commands.diff.sides import Place, Side
from gradclip_cli.commands.plans import DiffPlan
from gradclip_cli.engine.run import Run
from gradclip_cli.inputs.layouts.ranks import RANKS
from gradclip_cli.inputs.source import DumpSource
from gradclip_cli.notes import merged
from gradclip_cli.numerics.differences import Tolerance
from gradclip_cli.reports.diff import DiffParam, DiffReport
from gradclip_cli.storage.location_names import common_folder


def diff(plan: DiffPlan, run: Run) -> DiffReport:
    """Compare the tensors of two dumps, or those of the steps that two runs share."""
    with ExitStack() as stack:
        sides = stack.enter_context(Side(plan.a, run)), stack.enter_context(Side(plan.b, run))
        a, b = (side.steps(plan.repeated) for side in sides)
        notes = [*plan.notes, *a.notes, *b.notes]
        check_both_runs(a.places, b.places, plan.paths)
        if len(a.places) == 1:
            found = _one_pair(sides, (a.places[0], b.places[0]), plan, run)
        else:
            pairs, said = paired(a.places, b.places, plan.paths)
            notes += said
            found = compare_runs(sides, pairs, plan, run)
        return found._replace(notes=merged([*notes, *found.notes]))


def _one_pair(sides: tuple[Side, Side], places: tuple[Place, Place], plan: DiffPlan, run: Run) -> DiffReport:
    a, b = (side.open(place) for side, place in zip(sides, places, strict=True))
    check_names(a, b, plan.selection)
    found = compare_pair(a, b, Tolerance(plan.rtol, plan.atol), run)
    for side in sides:
        side.close()
    return report(found, plan)


def report(found: ComparedPair, plan: DiffPlan) -> DiffReport:
    """List every tensor of two dumps in natural order, and every block."""
    names = found.names
    params = [found.row(name) for name in names]
    blocks = rows.blocks_of(names, plan.selection.naming)
    overall = rows.overall(found.compared.values()) if found.compared or not names else DiffParam("total", rows.DIFFERS)
    return DiffReport(
        not found.differing,
        params,
        (_label(found.a.source), _label(found.b.source)),
        overall,
        list(found.notes),
        blocks=rows.block_rows(blocks, found.compared, set(found.differing)),
        elements=found.elements,
        tolerance=Tolerance(plan.rtol, plan.atol),
    )


def _label(source: DumpSource) -> str:
    """Return the location of a dump; of ranks, how many files are in which directory."""
    if source.layout != RANKS:
        return source.location
    return f"{len(source.files):,} files in {common_folder(source.files) or '.'}"
