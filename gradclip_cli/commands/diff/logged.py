"""Compare the norms of two logs, or of a log and a run of dumps, step by step."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from gradclip_cli.commands.diff import rows
from gradclip_cli.errors import UsageError
from gradclip_cli.inputs.naming import natural
from gradclip_cli.inputs.norm_logs.base import Logs
from gradclip_cli.inputs.norm_logs.joining import join_logs
from gradclip_cli.inputs.wanted_steps import WantedSteps, listed
from gradclip_cli.notes import Note, merged
from gradclip_cli.numerics.differences import Tolerance
from gradclip_cli.reports.diff import DiffFirst, DiffLogs, DiffParam, DiffStep, Input
from gradclip_cli.text import printable

Norms = Sequence[float | None]
"""A norm for each step; None where a step has none of this name."""


class NormRun(NamedTuple):
    """The norms of a run: of each step of the whole, and of the tensors whose norms are logged, too."""

    path: str
    column: str | None  # None for dumps
    inputs: Sequence[Input]
    steps: Sequence[int | None]
    norms: Sequence[float]
    tensors: Mapping[str, Norms] = {}
    notes: Sequence[Note] = ()


def logged_run(logs: Logs, wanted: WantedSteps | None) -> NormRun:
    """Read the norms of a log."""
    joined = join_logs(logs.paths, logs.options, wanted)
    names = joined.tensors
    norms, absent = joined.of_tensors(names)
    tensors = {
        name: [None if gone else norm for norm, gone in zip(norms[:, k].tolist(), absent[:, k].tolist(), strict=True)]
        for k, name in enumerate(names)
    }
    return NormRun(
        logs.paths[0], joined.column, joined.paths, joined.steps, joined.norms.tolist(), tensors, joined.notes
    )


def compare_norms(a: NormRun, b: NormRun, tolerance: Tolerance) -> DiffLogs:
    """Compare the norms of the steps that both runs have; norms are equal as elements of dumps are, NaN equals NaN."""
    pairs, notes = _paired(a, b)
    column = " / ".join(dict.fromkeys(one.column for one in (a, b) if one.column is not None))
    sides: dict[str, tuple[Norms, Norms]] = {column: (a.norms, b.norms)}
    if a.tensors and b.tensors:
        names = sorted(a.tensors.keys() | b.tensors.keys(), key=natural)
        sides.update({name: (a.tensors.get(name, ()), b.tensors.get(name, ())) for name in names})
    every = [_Compared(name, pairs, *norms, tolerance) for name, norms in sides.items()]
    steps = [_step(k, pair, (a, b), every) for k, pair in enumerate(pairs)]
    first = next((step for step in steps if step.status == rows.DIFFERS), None)
    if None in (a.column, b.column) and tolerance == Tolerance():
        text = f"{(a if a.column else b).path}: a log rounds norms; --rtol 1e-4 or the like allows for that"
        notes.append(Note("rounded", text))
    report = DiffLogs(
        all(step.equal for step in steps),
        [one.row(steps) for one in every],
        (a.path, b.path),
        every[0].row(steps)._replace(name="total"),
        merged([*a.notes, *b.notes, *notes]),
        steps=steps,
        first=None if first is None else _first(first, steps.index(first), every),
        elements=len(pairs),
        tolerance=tolerance,
    )
    return report._replace(source="log", column=column)


_Pair = tuple[int | None, int | None]


def _paired(a: NormRun, b: NormRun) -> tuple[list[_Pair], list[Note]]:
    """Return the rows of each step in both runs, in the order of steps; without steps, in the order of their lines."""
    if all(step is None for step in (*a.steps, *b.steps)):
        if len(a.steps) != len(b.steps):
            both = " and ".join(f"{printable(one.path)} {len(one.steps):,}" for one in (a, b))
            raise UsageError(f"no step is logged, and the runs are not equally long: {both} norms")
        text = f"{a.path}: no step is logged, so the norms of both runs are paired in their order"
        return [(k, k) for k in range(len(a.steps))], [Note("paired-in-order", text, changes_figures=True)]
    places = [_places(one) for one in (a, b)]
    if not places[0].keys() & places[1].keys():
        both = " and ".join(
            f"{listed(sorted(found))} in {printable(one.path)}" for found, one in zip(places, (a, b), strict=True)
        )
        raise UsageError(f"the runs have no step in common: steps {both}")
    pairs = [(places[0].get(step), places[1].get(step)) for step in sorted(places[0] | places[1])]
    notes = []
    for one, own, other in ((a, places[0], places[1]), (b, places[1], places[0])):
        if lone := sorted(own.keys() - other.keys()):
            text = f"{one.path}: has step{'s' if len(lone) > 1 else ''} {listed(lone)} and the other run has not"
            notes.append(Note("only-in-one-run", text, len(lone)))
    return pairs, notes


def _places(run: NormRun) -> dict[int, int]:
    """Return the row of each step; raise UsageError where one is not known, or is there twice."""
    found = dict[int, int]()
    for row, step in enumerate(run.steps):
        if step is None:
            raise UsageError(f"{printable(run.path)} holds norms without a step, and the other run has steps")
        if step in found:
            raise UsageError(f"{printable(run.path)}: step {step} came twice; give --repeated first or last")
        found[step] = row
    return found


class _Compared:
    """One norm in all steps: its values in both runs, and how far they are apart."""

    def __init__(self, name: str, pairs: Sequence[_Pair], a: Norms, b: Norms, tolerance: Tolerance) -> None:
        self.name = name
        self.a = [None if row is None or not a else a[row] for row, _ in pairs]
        self.b = [None if row is None or not b else b[row] for _, row in pairs]
        self.there = bool(a), bool(b)
        self.same = [_same(x, y, tolerance) for x, y in zip(self.a, self.b, strict=True)]

    @property
    def status(self) -> str:
        """The status over all steps that both runs have."""
        if not all(self.there):
            return rows.ONLY_A if self.there[0] else rows.ONLY_B
        return rows.DIFFERS if False in self.same else rows.SAME

    def row(self, steps: Sequence[DiffStep]) -> DiffParam:
        """Return the row of all steps as one vector, with the first at which it is not the same."""
        first = next((step.step for step, same in zip(steps, self.same, strict=True) if same is False), None)
        both = [(x, y) for x, y in zip(self.a, self.b, strict=True) if x is not None and y is not None]
        a, b = (math.hypot(*side) if side else None for side in ([x for x, _ in both], [y for _, y in both]))
        if a is None or b is None:
            return DiffParam(self.name, self.status)
        apart = [_distance(x, y) for x, y in both]
        shares = [d / abs(y) if d else 0.0 for d, (_, y) in zip(apart, both, strict=True) if y]
        return DiffParam(
            self.name,
            self.status,
            a,
            b,
            _ratio(a, b),
            None,
            _top(apart),
            _top(shares) if shares else None,
            _relative(math.hypot(*apart), a, b),
            first if self.status == rows.DIFFERS else None,
        )


def _step(k: int, pair: _Pair, runs: tuple[NormRun, NormRun], every: Sequence[_Compared]) -> DiffStep:
    row_a, row_b = pair
    run, row = (runs[0], row_a) if row_a is not None else (runs[1], row_b)
    step = run.steps[row or 0]
    label = str(step) if step is not None else f"norm {k + 1:,}"
    input_a, input_b = (None if row is None else one.inputs[row] for one, row in zip(runs, pair, strict=True))
    if row_a is None or row_b is None:
        status = rows.ONLY_A if row_b is None else rows.ONLY_B
        return DiffStep(step, input_a, input_b, False, status, label=label)
    differing = sum(one.same[k] is False for one in every)
    a, b = runs[0].norms[row_a], runs[1].norms[row_b]
    status = rows.DIFFERS if differing else rows.SAME
    apart = _relative(_distance(a, b), a, b)
    return DiffStep(step, input_a, input_b, not differing, status, differing, a, b, _ratio(a, b), None, apart, label)


def _first(step: DiffStep, k: int, every: Sequence[_Compared]) -> DiffFirst:
    names = [one.name for one in every if one.same[k] is False]
    return DiffFirst(step.step, step.input_a or "", step.input_b or "", names, step.label)


def _same(a: float | None, b: float | None, tolerance: Tolerance) -> bool | None:
    """Whether two norms are equal; None where a run has none."""
    if a is None or b is None:
        return None if a is b else False
    rtol, atol = tolerance
    return a == b or (math.isnan(a) and math.isnan(b)) or abs(a - b) <= atol + rtol * abs(b) < math.inf


def _distance(a: float, b: float) -> float:
    return 0.0 if a == b or (math.isnan(a) and math.isnan(b)) else abs(a - b)


def _ratio(a: float, b: float) -> float | None:
    return b / a if a > 0 and math.isfinite(a) and math.isfinite(b) else None


def _relative(apart: float, a: float, b: float) -> float | None:
    """Return how far two norms are apart, over the smaller of them, as for dumps."""
    if not apart or not math.isfinite(apart):
        return apart
    if not (math.isfinite(a) and math.isfinite(b)):
        return None
    return apart / min(a, b) if min(a, b) else math.inf


def _top(values: Sequence[float]) -> float:
    return math.nan if any(map(math.isnan, values)) else max(values)
