"""Lay out the tensors of a series: those of the first dump, or with `--allow-missing` those of any, as dumps come."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from gradclip_cli.commands.stats.dump_norms import KeptRows
from gradclip_cli.commands.stats.plan import StatsPlan
from gradclip_cli.commands.stats.rows import NormRow, RowLayout, RowPieces, stacked
from gradclip_cli.engine.series import check_taken
from gradclip_cli.engine.series_tensors import CommonShape, SeriesTensors
from gradclip_cli.engine.survey import MeasuredDump
from gradclip_cli.inputs.naming import LayerParam
from gradclip_cli.inputs.places import layers_of, params_of, picked_places
from gradclip_cli.lazy_rows import LazyRows, Zipped
from gradclip_cli.notes import Note
from gradclip_cli.numerics.groups import NamedGroups, firsts_of
from gradclip_cli.numerics.statistics_table import StatsTable
from gradclip_cli.reports.stats import StatsParam
from gradclip_cli.spec_table import dtype_names, names_of, picked
from gradclip_cli.tensors import TensorSpec
from gradclip_cli.thresholds.base import Summary
from gradclip_cli.thresholds.norm_table import GroupName, SeriesNorms, Step


class SeriesLayout(NamedTuple):
    """The tensors of a series, each as in the first dump that has it, in the order of their layers."""

    specs: Sequence[TensorSpec]
    shapes: list[CommonShape]
    places: Sequence[LayerParam]
    whole: RowLayout
    labels: dict[str, str]
    notes: list[Note]

    @property
    def layers(self) -> list[str]:
        """The layers in natural order."""
        return self.whole.layers

    def params(self, summaries: Sequence[Summary], ratios: Sequence[Sequence[float | None]]) -> Sequence[StatsParam]:
        """Return the row of each tensor in the report; `ratios` are columns of figures of weights."""
        names, dtypes = names_of(self.specs), dtype_names(self.specs)
        columns = names, layers_of(self.places), params_of(self.places), self.shapes, dtypes, summaries, *ratios
        return LazyRows(StatsParam._make, Zipped(*columns))

    def norms(self, rows: Sequence[NormRow], kept: KeptRows, plan: StatsPlan) -> SeriesNorms:
        """Stack rows, which are in the order of their steps."""
        groups = LazyRows(GroupName._make, Zipped(layers_of(self.places), names_of(self.specs)))
        return stacked(rows, kept, self.whole, groups, plan)


class SeriesRows(Protocol):
    """The norms of the dumps of a series, collected one by one."""

    rows: list[NormRow]
    kept: KeptRows

    def add(self, dump: MeasuredDump) -> MeasuredDump:
        """Reduce a dump to its norms, and return it with the names of the series.

        Raises InputError if it must not differ from the first as it does.
        """

    def drop(self) -> None:
        """Take back the dump that was added last."""

    def layout(self) -> SeriesLayout:
        """Return the layout of all dumps; `rows` are complete then."""


class SameTensors:
    """The norms of dumps that all have the tensors of the first."""

    def __init__(self, plan: StatsPlan) -> None:
        self.rows: list[NormRow] = []
        self.kept = KeptRows()
        self._plan = plan
        self._tensors = SeriesTensors(plan.selection.naming, with_places=False)
        self._layout: SeriesLayout | None = None
        self._named: Mapping[str, Sequence[int]] = {}
        self._pieces: RowPieces | None = None

    def add(self, dump: MeasuredDump) -> MeasuredDump:
        """Reduce a dump to its norms; the first one gives the layout, and raises UsageError if --include does not fit it."""
        dump = self._tensors.take(dump)
        if self._layout is None:
            check_taken([dump], self._plan.selection)
            self._layout = self._of(dump)
        else:
            self._layout.notes.extend(_on_figures(dump))
        named = dump.named
        whole = self._layout.whole
        if named is not self._named or self._pieces is None:
            self._named = named
            self._pieces = RowPieces.of(_in_order(named, list(self._tensors.shapes)), whole)
        self.rows.append(
            NormRow.of(_step(dump), dump.stats, self._pieces, whole, self._plan, self.kept, first=not self.rows)
        )
        return dump

    def drop(self) -> None:
        """Take back the dump that was added last."""
        self.rows.pop()

    def layout(self) -> SeriesLayout:
        """Return the layout of the first dump."""
        if self._layout is None:
            raise ValueError("there is no dump")
        return self._layout._replace(notes=[*self._layout.notes, *self._tensors.notes])

    def _of(self, dump: MeasuredDump) -> SeriesLayout:
        firsts = firsts_of(dump.named)
        places = picked_places(dump.places, firsts)
        sizes = Counter(layers_of(places))
        whole = RowLayout(np.arange(len(firsts), dtype=np.int32), list(sizes), np.cumsum([0, *sizes.values()]).tolist())
        shapes = list(self._tensors.shapes.values())
        return SeriesLayout(picked(dump.tensors, firsts), shapes, places, whole, dump.labels, dump.notes)


def _in_order(named: Mapping[str, Sequence[int]], names: Sequence[str]) -> Sequence[Sequence[int]]:
    """Return the pieces of tensors in the order of their names in the series."""
    if isinstance(named, NamedGroups) and list(named.names) == names:
        return named.groups
    return [named[name] for name in names]


class _MeasuredRow(NamedTuple):
    """The statistics of one dump, and the pieces (indices into them) of its tensors by number in the series."""

    step: Step
    stats: StatsTable
    pieces: dict[int, Sequence[int]]


class AnyTensors:
    """The norms of dumps that may lack tensors of others.

    A dump with tensors whose layers depend on the dumps after it keeps its statistics until the end.
    """

    def __init__(self, plan: StatsPlan) -> None:
        self.rows: list[NormRow] = []
        self.kept = KeptRows()
        self._plan = plan
        self._tensors = SeriesTensors(plan.selection.naming, allow_missing=True)
        self._specs: list[TensorSpec] = []
        self._columns: dict[str, int] = {}
        self._layers: list[str] = []
        self._last: tuple[list[int], RowLayout] | None = None
        self._waiting: list[_MeasuredRow] = []
        self._labels: dict[str, str] = {}
        self._notes: list[Note] = []

    def add(self, dump: MeasuredDump) -> MeasuredDump:
        """Reduce a dump to its norms, once the layers of its tensors are known."""
        dump = self._tensors.take(dump)
        self._notes += _on_figures(dump) if self._specs or self.rows else dump.notes
        if new := dump.named.keys() - self._columns.keys():
            self._name(dump, [name for name in dump.named if name in new])
        row = _MeasuredRow(_step(dump), dump.stats, {self._columns[name]: own for name, own in dump.named.items()})
        if self._tensors.settled:
            self._reduce(row)
        else:
            self._waiting.append(row)
        return dump

    def drop(self) -> None:
        """Take back the dump that was added last; its names stay."""
        (self.rows if self._tensors.settled else self._waiting).pop()

    def layout(self) -> SeriesLayout:
        """Return the layout of all tensors; raise UsageError if a pattern of --include matches none."""
        tensors = self._tensors
        tensors.check_taken(self._plan.selection)
        tensors.settle()
        names = list(self._columns)
        self._layers, self._last = [tensors.places[name].layer for name in names], None
        for row in self._waiting:
            self._reduce(row)
        self._waiting = []
        whole = RowLayout.of_all(self._layers)
        columns = whole.columns.tolist()
        order = [names[column] for column in columns]
        return SeriesLayout(
            [self._specs[column] for column in columns],
            [None if name in tensors.reshaped else tensors.shapes[name] for name in order],
            [tensors.places[name] for name in order],
            whole,
            self._labels,
            [*self._notes, *tensors.notes],
        )

    def _name(self, dump: MeasuredDump, new: Sequence[str]) -> None:
        """Give numbers to tensors that no dump before has."""
        self._specs += [dump.tensors[dump.named[name][0]] for name in new]
        self._columns |= {name: k for k, name in enumerate(new, len(self._columns))}
        self._layers += [self._tensors.places[name].layer for name in new]
        self._labels = dump.labels | self._labels

    def _reduce(self, row: _MeasuredRow) -> None:
        """Add the norms of a dump; dumps with the tensors of the one before share its layout."""
        columns = list(row.pieces)
        if self._last is None or self._last[0] != columns:
            self._last = columns, RowLayout.of(columns, self._layers)
        layout = self._last[1]
        pieces = RowPieces.of([row.pieces[column] for column in layout.columns.tolist()], layout)
        self.rows.append(NormRow.of(row.step, row.stats, pieces, layout, self._plan, self.kept, first=not self.rows))


def _step(dump: MeasuredDump) -> Step:
    name = dump.source.name if dump.row is None else None
    return Step(dump.source.label, dump.step, name=name, ordered=dump.ordered, stood_out=dump.stood_out)


def order(row: NormRow) -> int | None:
    """Return the step of a dump, if that tells its place in the series."""
    step = row.norms.step
    return step.number if step.ordered else None


def _on_figures(dump: MeasuredDump) -> list[Note]:
    """Return the notes of a later dump that change the meaning of figures; the others are said of the first dump."""
    return [note for note in dump.notes if note.changes_figures]
