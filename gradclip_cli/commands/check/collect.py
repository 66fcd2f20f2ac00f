"""Read the dumps of a series in the order of their steps, and reduce each to the figures that checks use."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.checks.base import Figures, ManyTensors, Tensor, column_of
from gradclip_cli.commands.check.gathered import Begun, Gathered, Gathering, Look
from gradclip_cli.commands.check.out_of_range import RangeCounts
from gradclip_cli.commands.check.steady_slices import SteadySlices
from gradclip_cli.commands.check.tensors import series_tensors
from gradclip_cli.commands.check.unchanged import TYPES, unchanged
from gradclip_cli.commands.check.unchanged_slices import unchanged_slices
from gradclip_cli.commands.check.zero_slices import MarkedSlices
from gradclip_cli.commands.plans import CheckPlan
from gradclip_cli.engine.first_nonfinite import KeptNonfinite
from gradclip_cli.engine.run import Run
from gradclip_cli.engine.series import check_taken
from gradclip_cli.engine.series import settled as settle
from gradclip_cli.engine.series_tensors import SeriesTensors
from gradclip_cli.engine.small_dumps import survey_each
from gradclip_cli.engine.survey import MeasuredDump, ObserverFor
from gradclip_cli.engine.tensor_places import TensorPlaces
from gradclip_cli.engine.weights import Weights, measure_weights
from gradclip_cli.errors import GradclipError, InputError
from gradclip_cli.inputs.naming import LayerParam, Naming
from gradclip_cli.inputs.ordering import by_step, in_step_order
from gradclip_cli.inputs.places import layers_of, params_of, picked_places
from gradclip_cli.inputs.repeats import StepPlace, settled
from gradclip_cli.inputs.source import DumpSource
from gradclip_cli.notes import Note
from gradclip_cli.numerics.differences import Tolerance
from gradclip_cli.numerics.first_nonfinite import Nonfinite
from gradclip_cli.numerics.groups import firsts_of, groups_of
from gradclip_cli.spec_table import dtype_names, picked
from gradclip_cli.text import printable
from gradclip_cli.thresholds.samples import Matrix

_OWN = 9
"""Figures of a tensor that precede those for each target dtype: the matrices `elements` to `same` of `Figures`."""


class DumpFigures(NamedTuple):
    """The figures of one dump, float64: a row for each figure, a column for each tensor by its name in the series."""

    source: DumpSource
    step: int | None
    tensors: Sequence[Tensor]
    rows: Matrix
    place: StepPlace
    nonfinite: Sequence[Nonfinite]
    stored: TensorPlaces
    weights: NDArray[np.float64] | None = None  # the norm of the weights of each tensor, as `Beside.norms` gives it


class Collected(NamedTuple):
    """The figures of the dumps that could be read, the layers and params of all tensors, and the errors of the others."""

    dumps: list[DumpFigures]
    places: Mapping[str, LayerParam]
    notes: list[Note]
    failed: list[GradclipError]
    zero: Mapping[str, MarkedSlices]  # the slices that are zero in all dumps, by tensor
    steady: Mapping[str, MarkedSlices]  # those that are the same in all dumps, and not zero


class Collector:
    """Reduces the dumps of a series to figures, source by source; keeps no elements, and statistics of the previous dump only.

    Each source is begun, measured with the observers that this returns and with the sums of `TYPES`, and taken. Several may be
    begun and measured at once, and some of them elsewhere; they are taken in the order of their steps.
    """

    def __init__(self, plan: CheckPlan, run: Run, weights: Weights | None = None) -> None:
        self._plan, self._run, self._weights = plan, run, weights
        self._dumps, self._notes = list[DumpFigures](), list[Note]()
        self._before: MeasuredDump | None = None
        self._tensors = SeriesTensors(plan.selection.naming, plan.allow_missing, any_shape=True)
        self._bad = KeptNonfinite()
        sliced = plan.selection.along is not None
        self._gathering = Gathering(plan.rules, targets(plan), run.workers.work, sliced=sliced)
        self._begun: dict[DumpSource, Begun] = {}  # that are not taken yet

    def begin(self, source: DumpSource, skipped: int = 0) -> ObserverFor:
        """Begin a source, of which the first dumps may be skipped."""
        begun = self._begun[source] = self._gathering.begin(skipped)
        return begun.observer_for

    @property
    def look(self) -> Look:
        """What is gathered of the next sources where they are measured elsewhere."""
        return self._gathering.look

    def accept(self, source: DumpSource, gathered: Gathered) -> None:
        """Take what was gathered of a source elsewhere, in place of beginning it."""
        begun = self._begun[source] = self._gathering.begin()
        begun.take(gathered)

    def packed(self, source: DumpSource) -> bytes:
        """Return the bytes of what was gathered of a source that is taken next."""
        return self._gathering.packed(source, self._begun[source])

    def recall(self, source: DumpSource, data: bytes, skipped: int = 0) -> bool:
        """Take what was gathered of a source before; return False if it must be read."""
        begun = self._begun[source] = self._gathering.begin(skipped)
        return self._gathering.recall(source, begun, data)

    def take(self, source: DumpSource, measured: Sequence[MeasuredDump]) -> None:
        """Take the dumps of a source that was begun, but for those that are skipped."""
        begun = self._begun.pop(source)
        if not measured:
            return
        taken = [self._tensors.take(dump) for dump in measured]
        same = _same(self._before, taken, self._plan, self._run)
        if self._before is None and not self._plan.allow_missing:
            check_taken(taken, self._plan.selection)
        self._before = taken[-1]
        self._gathering.take(taken, begun)
        for dump, names in zip(taken, same, strict=True):
            self._notes += dump.notes
            found = _reduce(dump, begun.counts, names, self._bad)
            beside = None if self._weights is None else self._weights.beside(dump).norms()
            self._dumps.append(found._replace(weights=beside))

    def collected(self, failed: list[GradclipError]) -> Collected:
        """Return what was taken; raise the first of the errors of dumps that were left out if nothing was."""
        if not self._dumps:
            raise failed[0]
        self._tensors.check_taken(self._plan.selection)
        self._tensors.settle()
        in_order = by_step(self._dumps, lambda dump: dump.place.step)
        dumps, repeated = settled(in_order, lambda dump: dump.place, self._plan.repeated)
        notes = [*self._notes, *self._tensors.notes, *repeated]
        if self._weights is not None:
            self._weights.check()
            notes += self._weights.notes()
        steady = _steady(self._gathering.steady, dumps, self._run)
        return Collected(dumps, self._tensors.places, notes, failed, self._gathering.zero.zero, steady)


def collect(plan: CheckPlan, run: Run) -> Collected:
    """Read the dumps of a series in the order of their steps, and reduce them to figures."""
    weights = measure_weights(plan.weights, run, allow_missing=plan.allow_missing) if plan.weights else None
    collector, failed = Collector(plan, run, weights), list[GradclipError]()
    ordered = in_step_order(plan.inputs)
    for source, measure in zip(ordered, survey_each(ordered, TYPES, run, collector), strict=True):
        try:
            collector.take(source, settle(source, measure(), run))
        except InputError as error:
            if not plan.keep_going:
                raise
            failed.append(error)
    return collector.collected(failed)


def _steady(steady: SteadySlices, dumps: Sequence[DumpFigures], run: Run) -> dict[str, MarkedSlices]:
    """Verify which slices are the same in all dumps; leave out tensors that are the same as a whole."""
    found, names = dict[str, MarkedSlices](), set(steady.names)
    places: dict[str, list[tuple[TensorPlaces, int]]] = {name: [] for name in names}
    changed = set[str]()
    for one in dumps if names else ():
        for k, tensor in enumerate(one.tensors):
            if tensor.name in names:
                changed.update([tensor.name] if places[tensor.name] and not one.rows[_OWN - 1, k] else [])
                places[tensor.name].append((one.stored, k))
    for name in sorted(changed):
        slices = steady.verified(name, places[name], run)
        if slices.marked.any() and not slices.marked.all():
            found[name] = slices
    return found


def targets(plan: CheckPlan) -> tuple[str, ...]:
    """Return the dtypes whose range values are to be checked against."""
    return plan.limits.underflow_dtype if "underflow" in plan.rules else ()


def _same(before: MeasuredDump | None, dumps: Sequence[MeasuredDump], plan: CheckPlan, run: Run) -> list[set[str]]:
    """Return the tensors of each dump that are unchanged since the one before."""
    if "unchanged" not in plan.rules:
        return [set() for _ in dumps]
    within = Tolerance(plan.limits.unchanged_rtol, plan.limits.unchanged_atol)
    if run.selection.along is not None:
        return unchanged_slices(before, dumps, within, run)
    pairs = zip([before, *dumps], dumps, strict=False)
    return [unchanged(one, other, within, run) if one is not None else set() for one, other in pairs]


def _reduce(dump: MeasuredDump, counts: RangeCounts, same: set[str], bad: KeptNonfinite) -> DumpFigures:
    """Reduce a dump to its figures, merging the pieces of each tensor."""
    named = dump.named
    groups, firsts = groups_of(named), firsts_of(named)
    places, specs = picked_places(dump.places, firsts), picked(dump.tensors, firsts)
    tensors = ManyTensors(list(named), layers_of(places), params_of(places), dtype_names(specs))
    stats = dump.stats.merge_groups(groups, TYPES)
    outside = counts.table(groups, dump.row)
    found = np.empty((_OWN + 2 * len(counts.targets), len(named)))
    own = stats.max_abs, *(stats.norms(which, p) for which, p in enumerate(TYPES))
    found[: _OWN - 4], found[_OWN - 4 : _OWN - 1] = stats.counts.T, own
    found[_OWN - 1] = [name in same for name in named] if same else 0
    below, above = outside.T
    np.subtract(below, stats.zeros, out=found[_OWN : _OWN + len(counts.targets)])
    np.subtract(above, stats.nonfinite, out=found[_OWN + len(counts.targets) :])
    source = dump.source if dump.row is None else dump.source._replace(name=None)  # a slice has a step of its own
    stored = TensorPlaces.of(dump)
    return DumpFigures(source, dump.step, tensors, found, dump.place, bad.of(dump.nonfinite), stored)


def series_figures(collected: Collected, targets: Sequence[str], naming: Naming) -> Figures:
    """Stack the figures of dumps, matching tensors by name; a tensor that a dump lacks has zeros there."""
    dumps = collected.dumps
    tensors = series_tensors(dumps, collected.places, naming)
    cube = _cube(dumps, tensors, _OWN + 2 * len(targets))
    names = [_name(one.source, one.step) for one in dumps]
    outside = cube[_OWN:].reshape(2, len(targets), *cube.shape[1:])
    bad = [(row, one) for row, dump in enumerate(dumps) for one in dump.nonfinite]
    column = _columns(tensors) if bad else {}
    firsts = {(row, column[one.name]): one for row, one in bad}
    found = Figures(names, tensors, targets, *cube[:_OWN], *outside)
    return replace(found, firsts=firsts, steps=[one.step for one in dumps], weights=_weights(dumps, tensors))


def _weights(dumps: Sequence[DumpFigures], tensors: Sequence[Tensor]) -> Matrix | None:
    """Stack the norms of weights (dumps × tensors); NaN where a dump lacks a tensor."""
    if all(one.weights is None for one in dumps):
        return None
    column, found = _columns(tensors), np.full((len(dumps), len(tensors)), np.nan)
    for row, one in zip(found, dumps, strict=True):
        if one.weights is not None:
            row[[column[name] for name in column_of(one.tensors, "name")]] = one.weights
    return found


def _cube(dumps: Sequence[DumpFigures], tensors: Sequence[Tensor], figures: int) -> NDArray[np.float64]:
    """Stack the figures of dumps (figures × dumps × tensors)."""
    if len(dumps) == 1 and list(column_of(dumps[0].tensors, "name")) == list(column_of(tensors, "name")):
        return dumps[0].rows[:, None]
    column, cube = _columns(tensors), np.zeros((figures, len(dumps), len(tensors)))
    for k, one in enumerate(dumps):
        if one.tensors:
            cube[:, k, [column[name] for name in column_of(one.tensors, "name")]] = one.rows
    return cube


def _columns(tensors: Sequence[Tensor]) -> dict[str, int]:
    return {name: k for k, name in enumerate(column_of(tensors, "name"))}


def _name(source: DumpSource, step: int | None) -> str:
    if source.name is not None:
        return source.name
    return f"step {step}" if step is not None else printable(os.path.basename(source.location))
