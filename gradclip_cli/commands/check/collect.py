"""Read the dumps of a series in the order of their steps, and reduce each to the figures that checks use."""

import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from gradclip_cli.checks.base import Figures, Tensor
from gradclip_cli.commands.check.out_of_range import DumpRangeCounts, RangeCounts, SliceRangeCounts
from gradclip_cli.commands.check.unchanged import TYPES, unchanged
from gradclip_cli.commands.check.unchanged_slices import unchanged_slices
from gradclip_cli.commands.plans import CheckPlan
from gradclip_cli.engine.run import Run
from gradclip_cli.engine.series import check_taken, measure_series
from gradclip_cli.engine.series_tensors import SeriesTensors
from gradclip_cli.engine.survey import MeasuredDump
from gradclip_cli.errors import GradclipError, InputError
from gradclip_cli.inputs.naming import LayerParam, Naming, natural
from gradclip_cli.inputs.ordering import by_step, in_step_order
from gradclip_cli.inputs.repeats import StepPlace, settled
from gradclip_cli.inputs.source import DumpSource
from gradclip_cli.notes import Note
from gradclip_cli.numerics.differences import Tolerance
from gradclip_cli.text import printable
from gradclip_cli.thresholds.samples import Matrix

_OWN = 9
"""Figures of a tensor that precede those for each target dtype: the matrices `elements` to `same` of `Figures`."""


class DumpFigures(NamedTuple):
    """The figures of one dump, float64: a row for each figure, a column for each tensor by its name in the series."""

    source: DumpSource
    step: int | None
    tensors: list[Tensor]
    rows: Matrix
    place: StepPlace


class Collected(NamedTuple):
    """The figures of the dumps that could be read, the layers and params of all tensors, and the errors of the others."""

    dumps: list[DumpFigures]
    places: Mapping[str, LayerParam]
    notes: list[Note]
    failed: list[GradclipError]


def collect(plan: CheckPlan, run: Run) -> Collected:
    """Reduce dumps to figures; keep no elements, and statistics of the previous dump only."""
    dumps, notes, failed = list[DumpFigures](), list[Note](), list[GradclipError]()
    tensors = SeriesTensors(plan.selection.naming, plan.allow_missing, any_shape=True)
    before: MeasuredDump | None = None
    for source in in_step_order(plan.inputs):
        try:
            counts, taken, same = _measure(source, tensors, before, plan, run)
        except InputError as error:
            if not plan.keep_going:
                raise
            failed.append(error)
            continue
        if before is None and not plan.allow_missing:
            check_taken(taken, plan.selection)
        before = taken[-1]
        for dump, names in zip(taken, same, strict=True):
            notes += dump.notes
            dumps.append(_reduce(dump, counts, names))
    if not dumps:
        raise failed[0]
    tensors.check_taken(plan.selection)
    tensors.settle()
    dumps, repeated = settled(by_step(dumps, lambda dump: dump.place.step), lambda dump: dump.place, plan.repeated)
    return Collected(dumps, tensors.places, [*notes, *tensors.notes, *repeated], failed)


def _measure(
    source: DumpSource, tensors: SeriesTensors, before: MeasuredDump | None, plan: CheckPlan, run: Run
) -> tuple[RangeCounts, list[MeasuredDump], list[set[str]]]:
    """Measure the dumps of a source; return values out of range, the dumps, and the tensors unchanged since the one before."""
    kind = DumpRangeCounts if run.selection.along is None else SliceRangeCounts
    counts = kind(targets(plan), run.workers.work)
    dumps = [tensors.take(dump) for dump in measure_series(source, TYPES, run, counts.observer_for)]
    return counts, dumps, _same(before, dumps, plan, run)


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


def _reduce(dump: MeasuredDump, counts: RangeCounts, same: set[str]) -> DumpFigures:
    """Reduce a dump to its figures, merging the pieces of each tensor."""
    named = dump.named
    tensors = [
        Tensor(name, *dump.places[indices[0]], dump.tensors[indices[0]].dtype.name) for name, indices in named.items()
    ]
    stats = dump.stats.merge_groups(list(named.values()), TYPES)
    outside = counts.table(list(named.values()), dump.row)
    rows = [
        *stats.counts.T,
        stats.max_abs,
        *(stats.norms(which, p) for which, p in enumerate(TYPES)),
        [name in same for name in named],
        *(outside[:, :, 0].T - stats.zeros),
        *(outside[:, :, 1].T - stats.nonfinite),
    ]
    source = dump.source if dump.row is None else dump.source._replace(name=None)  # a slice has a step of its own
    return DumpFigures(source, dump.step, tensors, np.array(rows, np.float64), dump.place)


def series_figures(collected: Collected, targets: Sequence[str], naming: Naming) -> Figures:
    """Stack the figures of dumps, matching tensors by name; a tensor that a dump lacks has zeros there."""
    dumps, places = collected.dumps, collected.places
    known = {tensor.name: tensor for one in reversed(dumps) for tensor in one.tensors}
    placed = [
        one if one[1:3] == places[name] else one._replace(layer=places[name].layer, param=places[name].param)
        for name, one in known.items()
    ]
    layers = {layer: natural(layer) for layer in {one.layer for one in placed}}
    ordered = sorted(placed, key=lambda tensor: (layers[tensor.layer], natural(tensor.name)))
    blocks = {layer: naming.block(layer) for layer in layers}
    tensors = [tensor._replace(block=blocks[tensor.layer]) for tensor in ordered]
    column = {tensor.name: k for k, tensor in enumerate(tensors)}
    cube = np.zeros((_OWN + 2 * len(targets), len(dumps), len(tensors)))
    for k, one in enumerate(dumps):
        if one.tensors:
            cube[:, k, [column[tensor.name] for tensor in one.tensors]] = one.rows
    names = [_name(one.source, one.step) for one in dumps]
    return Figures(names, tensors, targets, *cube[:_OWN], *cube[_OWN:].reshape(2, len(targets), *cube.shape[1:]))


def _name(source: DumpSource, step: int | None) -> str:
    if source.name is not None:
        return source.name
    return f"step {step}" if step is not None else printable(os.path.basename(source.location))
