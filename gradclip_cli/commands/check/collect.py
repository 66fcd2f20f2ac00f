"""Read the dumps of a series in the order of their steps, and reduce each to the figures that checks use."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.checks.base import Figures, ManyTensors, Tensor, column_of
from gradclip_cli.commands.check.out_of_range import DumpRangeCounts, RangeCounts, SliceRangeCounts
from gradclip_cli.commands.check.steady_slices import SteadySlices
from gradclip_cli.commands.check.tensors import series_tensors
from gradclip_cli.commands.check.unchanged import TYPES, unchanged
from gradclip_cli.commands.check.unchanged_slices import unchanged_slices
from gradclip_cli.commands.check.zero_slices import MarkedSlices, ZeroSlices
from gradclip_cli.commands.plans import CheckPlan
from gradclip_cli.engine.first_nonfinite import KeptNonfinite
from gradclip_cli.engine.measure import PieceObserver, together
from gradclip_cli.engine.run import Run
from gradclip_cli.engine.series import check_taken, survey_series
from gradclip_cli.engine.series import settled as settle
from gradclip_cli.engine.series_tensors import SeriesTensors
from gradclip_cli.engine.survey import MeasuredDump
from gradclip_cli.engine.tensor_places import TensorPlaces
from gradclip_cli.errors import GradclipError, InputError
from gradclip_cli.formats.base import Format, Reader
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


class Collected(NamedTuple):
    """The figures of the dumps that could be read, the layers and params of all tensors, and the errors of the others."""

    dumps: list[DumpFigures]
    places: Mapping[str, LayerParam]
    notes: list[Note]
    failed: list[GradclipError]
    zero: Mapping[str, MarkedSlices]  # the slices that are zero in all dumps, by tensor
    steady: Mapping[str, MarkedSlices]  # those that are the same in all dumps, and not zero


def collect(plan: CheckPlan, run: Run) -> Collected:
    """Reduce dumps to figures; keep no elements, and statistics of the previous dump only."""
    dumps, notes, failed = list[DumpFigures](), list[Note](), list[GradclipError]()
    tensors = SeriesTensors(plan.selection.naming, plan.allow_missing, any_shape=True)
    before, bad = None, KeptNonfinite()
    sliced = plan.selection.along is not None
    zero = ZeroSlices(sliced=sliced, wanted="dead" in plan.rules)
    steady = SteadySlices(wanted="unchanged" in plan.rules and not sliced)
    ordered = in_step_order(plan.inputs)
    for source, survey in zip(ordered, run.each(_Surveyor(plan, (zero, steady)).survey, ordered), strict=True):
        try:
            counts, found = survey()
            taken = [tensors.take(dump) for dump in settle(source, found, run)]
            same = _same(before, taken, plan, run)
        except InputError as error:
            if not plan.keep_going:
                raise
            failed.append(error)
            continue
        if before is None and not plan.allow_missing:
            check_taken(taken, plan.selection)
        before = taken[-1]
        zero.take(taken)
        steady.take(taken)
        for dump, names in zip(taken, same, strict=True):
            notes += dump.notes
            dumps.append(_reduce(dump, counts, names, bad))
    if not dumps:
        raise failed[0]
    tensors.check_taken(plan.selection)
    tensors.settle()
    dumps, repeated = settled(by_step(dumps, lambda dump: dump.place.step), lambda dump: dump.place, plan.repeated)
    notes = [*notes, *tensors.notes, *repeated]
    return Collected(dumps, tensors.places, notes, failed, zero.zero, _steady(steady, dumps, run))


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


class _Surveyor(NamedTuple):
    """Measures sources, perhaps several at once, and counts values out of range; `seen` note what they see by the path of a file."""

    plan: CheckPlan
    seen: tuple[ZeroSlices, SteadySlices]

    def survey(self, run: Run, source: DumpSource) -> tuple[RangeCounts, list[MeasuredDump]]:
        """Return the values out of range, and the dumps of a source."""
        kind = DumpRangeCounts if run.selection.along is None else SliceRangeCounts
        counts = kind(targets(self.plan), run.workers.work)
        for one in self.seen:
            one.forget(source.files)

        def observer_for(format: Format, reader: Reader) -> PieceObserver | None:
            return together([one.observer_for(format, reader) for one in (counts, *self.seen)])

        return counts, survey_series(source, TYPES, run, observer_for)


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
    return replace(found, firsts=firsts, steps=[one.step for one in dumps])


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
