"""Count the elements of a series by magnitude while its dumps are measured: for each tensor over all dumps, and for each dump."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.engine.measure import PieceObserver
from gradclip_cli.engine.survey import MeasuredDump
from gradclip_cli.errors import UsageError
from gradclip_cli.formats.base import Format, Reader
from gradclip_cli.inputs.loss_scale import scale_of
from gradclip_cli.inputs.ordering import by_step
from gradclip_cli.inputs.repeats import StepPlace, settled
from gradclip_cli.inputs.selection import Selection
from gradclip_cli.numerics.dtypes import Raw
from gradclip_cli.numerics.groups import Groups, groups_of
from gradclip_cli.numerics.magnitudes import MagnitudeCounts, magnitude_counts, over_all
from gradclip_cli.numerics.statistics import PieceStats
from gradclip_cli.numerics.statistics_arrays import StatsArrays
from gradclip_cli.numerics.workspace import Workspace
from gradclip_cli.render.tables.grid import dump_name
from gradclip_cli.reports.stats import StatsReport
from gradclip_cli.reports.values import Magnitudes, ValueReport
from gradclip_cli.spec_table import sizes_of
from gradclip_cli.tensors import Piece, TensorSpec
from gradclip_cli.text import printable

Rows = NDArray[np.int64]


class _Kept(NamedTuple):
    """The counts of a dump as a whole; where its step may yet be left out for that of another file, those of its tensors, too."""

    place: StepPlace
    whole: MagnitudeCounts
    rows: Rows | None = None
    tensors: MagnitudeCounts | None = None


class SeriesValues:
    """Counts of a series; each source is measured with the observers, its dumps are taken, and its files forgotten."""

    def __init__(self, selection: Selection, work: Workspace) -> None:
        self._selection, self._work = selection, work
        self._files: dict[str, _FileCounts] = {}  # of the sources at hand
        self._row_of: dict[str, int] = {}  # of each tensor by its name in the series
        self._total = MagnitudeCounts.none(0)
        self._kept: list[_Kept] = []

    def forget(self, paths: Iterable[str]) -> None:
        """Forget what was counted of files: those of a source that was taken, or was not."""
        for path in paths:
            self._files.pop(path, None)

    def observer_for(self, format: Format, reader: Reader) -> PieceObserver:
        """Return the observer that counts in the pieces of a file."""
        scale = scale_of(self._selection.unscale, reader.metadata, reader.file.path)
        sliced = self._selection.along is not None
        found = self._files[reader.file.path] = _FileCounts(reader.tensors, sliced)
        return PieceObserver(_PieceCounts(reader.tensors, scale, sliced, self._work).see, found.take)

    def take(self, dump: MeasuredDump) -> None:
        """Take a dump that was measured, with the names of the series."""
        rows = np.array([self._row_of.setdefault(name, len(self._row_of)) for name in dump.named], np.int64)
        tensors = self._of(dump, Groups.of(groups_of(dump.named)))
        whole = tensors._replace(counts=tensors.counts.sum(axis=0, keepdims=True)).trimmed()
        if dump.place.inside:
            self._kept.append(_Kept(dump.place, whole, rows, tensors))
        else:
            self._add(rows, tensors)
            self._kept.append(_Kept(dump.place, whole))

    def report(self, stats: StatsReport, repeated: str | None) -> ValueReport:
        """Return the counts of the layers and dumps of a report, which was made of the dumps that were taken.

        Raises UsageError where a file of one dump is left out for one of several steps: it is among the counts of layers.
        """
        kept, _ = settled(self._kept, lambda one: one.place, repeated)
        taken = set(map(id, kept))
        lost = next((one.place for one in self._kept if id(one) not in taken and one.tensors is None), None)
        if lost is not None:
            what = f"{printable(lost.path)} holds step {lost.step}, which a file of several steps holds, too"
            raise UsageError(f"{what}, so --values cannot leave it out; give one of them")
        for one in kept:
            if one.rows is not None and one.tensors is not None:
                self._add(one.rows, one.tensors)
        dumps = _together([one.whole for one in by_step(kept, lambda one: one.place.step)])
        layers, dumps = over_all([self._of_layers(stats).trimmed(), dumps])
        return ValueReport(
            _named([row.layer for row in stats.layers], layers),
            _named([dump_name(one.step, one.name, one.input, word="") for one in stats.dumps], dumps),
            stats.size.dtypes if stats.size is not None else (),
        )

    def _add(self, rows: Rows, tensors: MagnitudeCounts) -> None:
        self._total = self._total.grown(len(self._row_of)).added(rows, tensors)

    def _of(self, dump: MeasuredDump, groups: Groups) -> MagnitudeCounts:
        """Return the counts of tensors, each given by its pieces."""
        found = MagnitudeCounts.none(groups.members.size)
        for file in dump.files:
            counted = self._files[file.path]
            own = np.flatnonzero((groups.members >= file.start) & (groups.members < file.start + counted.tensors))
            found = found.added(own, counted.of(groups.members[own] - file.start, dump.row))
        if groups.are_single:
            return found
        return found._replace(counts=np.add.reduceat(found.counts, groups.starts[:-1], axis=0))

    def _of_layers(self, stats: StatsReport) -> MagnitudeCounts:
        """Add up the tensors of each layer, in the order of the report."""
        row_of = {row.layer: k for k, row in enumerate(stats.layers)}
        counts = np.zeros((len(row_of), self._total.counts.shape[1]), np.int64)
        rows = [(row_of[one.layer], self._row_of[one.name]) for one in stats.params if one.name in self._row_of]
        if rows:
            layers, tensors = np.array(rows).T
            np.add.at(counts, layers, self._total.counts[tensors])
        return self._total._replace(counts=counts)


class _FileCounts:
    """The counts of the tensors of a file; of each slice along axis 0, where slices are dumps."""

    def __init__(self, specs: Sequence[TensorSpec], sliced: bool) -> None:
        self.tensors = len(specs)
        self._specs, self._sliced = specs, sliced
        self._counts = MagnitudeCounts.none(0 if sliced else self.tensors)

    def take(self, piece: Piece, found: MagnitudeCounts) -> None:
        """Add what was counted in a piece."""
        rows = np.arange(piece.index, piece.index + len(found.counts))
        if self._sliced:
            spec = self._specs[piece.index]
            slices = piece.start // spec.slice_size + np.arange(len(found.counts))
            rows = slices * self.tensors + piece.index
            self._counts = self._counts.grown(spec.shape[0] * self.tensors)
        self._counts = self._counts.added(rows, found)

    def of(self, tensors: Rows, row: int | None) -> MagnitudeCounts:
        """Return the counts of tensors, in slice `row` where slices are dumps."""
        grown = self._counts.grown(self.tensors * ((row or 0) + 1))  # nothing is counted where all tensors are empty
        return grown._replace(counts=grown.counts[(row or 0) * self.tensors + tensors])


class _PieceCounts(NamedTuple):
    """Counts in pieces of a file."""

    specs: Sequence[TensorSpec]
    scale: float
    sliced: bool
    work: Workspace

    def see(self, piece: Piece, raw: Raw, stats: PieceStats | StatsArrays) -> MagnitudeCounts:
        """Return the counts of each tensor in a piece, or of each slice."""
        dtype, size = self.specs[piece.index].dtype, piece.stop - piece.start
        sizes: Sequence[int] = [size]
        if piece.count > 1:
            sizes = sizes_of(self.specs[piece.index : piece.index + piece.count])
        elif self.sliced and size > (width := self.specs[piece.index].slice_size):
            sizes = [width] * (size // width)
        if not dtype.is_gradient:
            return MagnitudeCounts.none(len(sizes))
        return magnitude_counts(raw, dtype, sizes, self.scale, self.work)


def _together(wholes: Sequence[MagnitudeCounts]) -> MagnitudeCounts:
    """Return the counts of several dumps, a row each."""
    alike = over_all(wholes)
    return MagnitudeCounts(alike[0].least, np.concatenate([one.counts for one in alike]))


def _named(names: Sequence[str], found: MagnitudeCounts) -> Magnitudes:
    return Magnitudes(names, found.least, found.exponents, found.zeros, found.nonfinite)
