"""Reduce the dumps of a series to its norms; the only part of `stats` that reads dumps."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from gradclip_cli.commands.stats.dump_norms import DumpL2, DumpNorms, dump_norms, sums_for
from gradclip_cli.commands.stats.plan import StatsPlan
from gradclip_cli.engine.series import Shapes, check_taken, shapes_of, tensor_difference
from gradclip_cli.engine.survey import MeasuredDump
from gradclip_cli.errors import GradclipError, InputError, UsageError
from gradclip_cli.inputs.discovery import by_step
from gradclip_cli.inputs.naming import LayerParam
from gradclip_cli.lazy_rows import LazyRows
from gradclip_cli.notes import Note
from gradclip_cli.reports.stats import StatsParam
from gradclip_cli.tensors import TensorSpec
from gradclip_cli.text import plural, shortlist
from gradclip_cli.thresholds.base import Summary
from gradclip_cli.thresholds.norm_table import ClippedElements, GroupName, L2Norms, NormTable, SeriesNorms, Step

_DIFFER = "give --allow-missing to go on with what all dumps share, or --shards if these are the files of ranks"


class SeriesLayout(NamedTuple):
    """The tensors that all dumps of a series share, in the order of the first dump's layers."""

    specs: list[TensorSpec]
    shapes: Shapes
    places: list[LayerParam]
    layers: list[str]
    starts: list[int]  # the first tensor of each layer, and the number of tensors at the end
    labels: dict[str, str]
    notes: list[Note]
    shared: bool  # whether other dumps may have more tensors than these

    @classmethod
    def of(cls, dump: MeasuredDump, shared: set[str] | None = None) -> "SeriesLayout":
        """Take the layout from a dump; with `shared`, keep only those of its tensors."""
        left = [] if shared is None else [name for name in dump.named if name not in shared]
        notes = [*dump.notes]
        if left:
            notes.append(Note("missing", f"left out, since not in all dumps: {shortlist(left)}", changes_figures=True))
        shapes = {name: shape for name, shape in shapes_of(dump).items() if shared is None or name in shared}
        firsts = [dump.named[name][0] for name in shapes]
        places = [dump.places[k] for k in firsts]
        sizes = Counter(place.layer for place in places)
        starts = np.cumsum([0, *sizes.values()]).tolist()
        specs = [dump.tensors[k] for k in firsts]
        return cls(specs, shapes, places, list(sizes), starts, dump.labels, notes, shared is not None)

    def reduce(self, dump: MeasuredDump, plan: StatsPlan) -> DumpNorms:
        """Reduce a dump to its norms; raise InputError where its tensors or shapes differ from those of the first dump."""
        types = sums_for(plan)
        params = dump.stats.merge_groups(self._of(dump), types)
        layers = params.merge_groups([range(a, b) for a, b in pairwise(self.starts)], types)
        name = dump.source.name if dump.row is None else None
        step = Step(dump.source.label, dump.step, name=name, ordered=dump.ordered)
        return dump_norms(step, layers, params, plan)

    def _of(self, dump: MeasuredDump) -> list[list[int]]:
        """Return the pieces of each shared tensor, by index; raise InputError where the dump differs from the first."""
        what = "" if self.shared else tensor_difference(self.shapes, dump)
        if what or not dump.named.keys() >= self.shapes.keys():
            raise InputError(f"{what or 'changed while it was read'}; {_DIFFER}", path=dump.source.location)
        return [dump.named[name] for name in self.shapes]

    def param(self, k: int, summary: Summary) -> StatsParam:
        """Return the row of tensor `k` in the report."""
        spec, place = self.specs[k], self.places[k]
        return StatsParam(spec.name, place.layer, place.param, self.shapes[spec.name], spec.dtype.name, summary)

    def norms(self, rows: Iterable[DumpNorms]) -> SeriesNorms:
        """Stack the norms of dumps in the order of their steps."""
        dumps = by_step(list(rows), lambda row: row.step.number if row.step.ordered else None)
        steps = [row.step for row in dumps]
        layers = [GroupName(layer) for layer in self.layers]
        params = LazyRows(lambda k: GroupName(self.places[k].layer, self.specs[k].name), range(len(self.specs)))
        l2 = [row.l2 for row in dumps if row.l2 is not None]
        return SeriesNorms(
            steps,
            NormTable([GroupName()], np.array([[row.total] for row in dumps])),
            NormTable(layers, np.array([row.layers for row in dumps])),
            NormTable(params, np.array([row.params for row in dumps])),
            NormTable(params, np.array([row.max_abs for row in dumps])),
            _l2_norms(l2, layers, params) if l2 else None,
        )


def _l2_norms(rows: Sequence[DumpL2], layers: Sequence[GroupName], params: Sequence[GroupName]) -> L2Norms:
    clipped = {
        limit: ClippedElements(*(np.array(part) for part in zip(*(row.clipped[limit] for row in rows), strict=True)))
        for limit in rows[0].clipped
    }
    return L2Norms(
        NormTable([GroupName()], np.array([[row.total] for row in rows])),
        NormTable(layers, np.array([row.layers for row in rows])),
        NormTable(params, np.array([row.params for row in rows])),
        clipped,
    )


class Collected(NamedTuple):
    """The layout of a series, its norms, and the errors of the dumps that are left out."""

    layout: SeriesLayout
    norms: SeriesNorms
    failed: list[GradclipError]


class _Collector:
    """Collect the dumps of a series one by one; the first that is not skipped sets the layout for the others."""

    def __init__(self, plan: StatsPlan, shared: set[str] | None) -> None:
        self.layout: SeriesLayout | None = None
        self.rows: list[DumpNorms] = []
        self.failed: list[GradclipError] = []
        self.number = 0
        self._plan, self._shared = plan, shared

    def take(self, dump: MeasuredDump) -> None:
        """Reduce a dump to its norms, unless it is skipped."""
        if self._skips():
            return
        try:
            if self.layout is None:
                check_taken([dump], self._plan.selection)
                self.layout = SeriesLayout.of(dump, self._shared)
            else:
                self.layout.notes.extend(note for note in dump.notes if note.changes_figures)
            self.rows.append(self.layout.reduce(dump, self._plan))
        except InputError as error:
            self._leave_out(error)

    def fail(self, error: InputError) -> None:
        """Leave out a dump that cannot be read, or raise the error; ignore it among the first `skip_steps` dumps."""
        if not self._skips():
            self._leave_out(error)

    def _skips(self) -> bool:
        self.number += 1
        return self.number <= self._plan.skip_steps

    def _leave_out(self, error: InputError) -> None:
        if not self._plan.keep_going:
            raise error
        self.failed.append(error)


def collect(
    surveys: Iterable[Callable[[], list[MeasuredDump]]], plan: StatsPlan, shared: set[str] | None = None
) -> Collected:
    """Measure the dumps of a series, and keep their norms only; each of `surveys` measures the dumps of one source.

    With `keep_going`, return the errors of dumps with the result; raise the first one where no dump could be read.
    """
    taken = _Collector(plan, shared)
    for survey in surveys:
        try:
            dumps = survey()
        except InputError as error:
            taken.fail(error)
            continue
        for dump in dumps:
            taken.take(dump)
    if plan.skip_steps >= taken.number:
        raise UsageError(f"--skip-steps {plan.skip_steps} leaves nothing of {plural(taken.number, 'dump')}")
    if taken.layout is None or not taken.rows:
        raise taken.failed[0]
    return Collected(taken.layout, taken.layout.norms(taken.rows), taken.failed)
