"""Compare two runs step by step, each dump read once; keep a row for each step, and sums for each tensor and block."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gradclip_cli.commands.diff import rows
from gradclip_cli.commands.diff.pair import ComparedPair, check_names, compare_pair
from gradclip_cli.commands.diff.pairing import StepPair
from gradclip_cli.commands.diff.run_blocks import RunBlocks
from gradclip_cli.commands.diff.sides import Side
from gradclip_cli.commands.diff.totals import Totals
from gradclip_cli.commands.plans import DiffPlan
from gradclip_cli.engine.run import Run
from gradclip_cli.inputs.naming import natural
from gradclip_cli.numerics.comparison import Comparison, together
from gradclip_cli.numerics.differences import Tolerance
from gradclip_cli.reports.diff import DiffFirst, DiffParam, DiffRuns, DiffStep

if TYPE_CHECKING:
    from gradclip_cli.notes import Note


def compare_runs(sides: tuple[Side, Side], pairs: Sequence[StepPair], plan: DiffPlan, run: Run) -> DiffRuns:
    """Compare the steps that both runs have, in order."""
    found, tolerance = _Collected(plan), Tolerance(plan.rtol, plan.atol)
    for pair in pairs:
        if pair.a is None or pair.b is None:
            found.steps.append(_lone(pair))
            continue
        a, b = sides[0].open(pair.a), sides[1].open(pair.b)
        if not found.totals.is_begun:
            check_names(a, b, plan.selection)
        found.add(pair, compare_pair(a, b, tolerance, run))
    for side in sides:
        side.close()
    return found.report(plan.paths, tolerance)


class _Collected:
    """What is kept of the steps so far."""

    def __init__(self, plan: DiffPlan) -> None:
        self.steps: list[DiffStep] = []
        self.totals, self._blocks = Totals(), RunBlocks(plan.selection.naming)
        self._rows: dict[
            str, DiffParam
        ] = {}  # of each tensor at the first step that has it, or at which it is not the same
        self._first: DiffFirst | None = None
        self._notes: dict[Note, None] = {}
        self._elements = 0

    def add(self, pair: StepPair, found: ComparedPair) -> None:
        """Add a step that both runs have."""
        step, differing = pair.either.step, found.differing
        self.steps.append(_step(pair, found))
        for name in found.status.keys() - self._rows.keys():
            self._rows[name] = found.row(name)._replace(first_step=step if found.status[name] != rows.SAME else None)
        for name in differing:
            if self._rows[name].status == rows.SAME:
                self._rows[name] = found.row(name)._replace(first_step=step)
        self._blocks.add(step, found, self.totals.add(found.compared))
        if self._first is None and differing:
            first = self.steps[-1]
            names = sorted(differing, key=natural)
            self._first = DiffFirst(step, first.input_a or "", first.input_b or "", names, pair.name)
        self._notes.update(dict.fromkeys(found.notes))
        self._elements += found.elements

    def report(self, paths: tuple[str, str], tolerance: Tolerance) -> DiffRuns:
        """Return the report of all steps."""
        compared = self.totals.comparisons()
        params = [_param(self._rows[name], compared.get(name)) for name in sorted(self._rows, key=natural)]
        return DiffRuns(
            all(step.equal for step in self.steps),
            params,
            paths,
            rows.overall(compared.values()),
            list(self._notes),
            self._blocks.rows(compared),
            self.steps,
            self._first,
            self._elements,
            tolerance,
        )


def _lone(pair: StepPair) -> DiffStep:
    """Return the row of a step that only one run has."""
    label = pair.either.source.label
    a, b = (label, None) if pair.b is None else (None, label)
    status = rows.ONLY_A if pair.b is None else rows.ONLY_B
    return DiffStep(pair.either.step, a, b, False, status, label=pair.name)


def _step(pair: StepPair, found: ComparedPair) -> DiffStep:
    """Return the row of a step that both runs have."""
    differing = len(found.differing)
    row = DiffStep(
        pair.either.step,
        found.a.source.label,
        found.b.source.label,
        not differing,
        rows.DIFFERS if differing else rows.SAME,
        differing,
        label=pair.name,
    )
    floats = [one for one in found.compared.values() if one.product is not None]
    if not floats:
        return row
    whole = together(floats)
    return row._replace(
        norm_a=whole.a and whole.a.norm,
        norm_b=whole.b and whole.b.norm,
        norm_ratio=rows.ratio(whole.a, whole.b),
        cosine=rows.cosine(whole),
        rel_diff=rows.relative(whole),
    )


def _param(row: DiffParam, found: Comparison | None) -> DiffParam:
    """Return the row of a tensor with the figures of all steps in which it was compared."""
    if found is None:
        return row
    figures = rows.compared_row(row.name, row.status, found)
    are_bytes = row.status == rows.DIFFERS and row.max_abs_diff is None
    return row._replace(
        norm_a=figures.norm_a,
        norm_b=figures.norm_b,
        norm_ratio=figures.norm_ratio,
        cosine=figures.cosine,
        max_abs_diff=None if are_bytes else figures.max_abs_diff,
        max_rel_diff=None if are_bytes else figures.max_rel_diff,
        rel_diff=figures.rel_diff,
    )
