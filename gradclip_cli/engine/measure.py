"""Measure the statistics of tensors piece by piece, reading each once."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from gradclip_cli.engine.executors import Executor, room
from gradclip_cli.engine.run import Progress, silent
from gradclip_cli.numerics.dtypes import Raw
from gradclip_cli.numerics.measuring import measure_piece, measure_small
from gradclip_cli.numerics.norms import SumKinds
from gradclip_cli.numerics.statistics import PieceStats, merge
from gradclip_cli.numerics.statistics_table import StatsArrays, StatsTable
from gradclip_cli.numerics.workspace import Workspace
from gradclip_cli.spec_table import sizes_of
from gradclip_cli.tensors import Piece, TensorSpec, pieces_in_order, split

NormTypes = tuple[float, ...]
Read = Callable[[TensorSpec, int, Raw], None]

PieceObserver = Callable[[Piece, Raw, PieceStats | StatsArrays], None]
"""Called with every piece after it is measured: the piece, its stored elements, and its statistics.

These have a row for each of several small tensors, or of several slices of a tensor whose slices are dumps.
"""


def together(observers: Sequence[PieceObserver | None]) -> PieceObserver | None:
    """Return one observer for several, or None for none."""
    there = [one for one in observers if one is not None]

    def observe(piece: Piece, raw: Raw, stats: PieceStats | StatsArrays) -> None:
        for one in there:
            one(piece, raw, stats)

    return observe if len(there) > 1 else next(iter(there), None)


class ElementReader(Protocol):
    """What reads the stored elements of tensors."""

    def read(self, spec: TensorSpec, start: int, out: Raw) -> None:
        """Fill `out` with stored elements from element `start` on."""


class ElementSource(Protocol):
    """Where the elements of a tensor are read: in a file, or in several."""

    @property
    def path(self) -> str:
        """The path of the file, or of the first."""

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths that progress is reported for."""

    @property
    def reader(self) -> ElementReader:
        """What reads the elements."""


class FileRead(NamedTuple):
    """Reads elements of a file and reports the bytes as progress; a pickled one reports none."""

    file: ElementSource
    progress: Progress = silent

    def read(self, spec: TensorSpec, start: int, out: Raw) -> None:
        """Fill `out` with the stored bytes of a tensor from element `start` on."""
        self.file.reader.read(spec, start, out)
        for path in self.file.paths:
            self.progress(out.size, path)

    def __reduce__(self) -> tuple[type["FileRead"], tuple[ElementSource]]:
        return FileRead, (self.file,)


class MeasureTask(NamedTuple):
    """Measures pieces of a file; a pickled task has no observer."""

    specs: Sequence[TensorSpec]
    read: Read
    sums: SumKinds
    work: Workspace
    observe: PieceObserver | None = None

    def measure(self, piece: Piece) -> tuple[Piece, list[PieceStats], StatsArrays | None]:
        """Return the piece with the statistics of its parts, or those of its small tensors, one row each."""
        spec = self.specs[piece.index]
        if piece.count > 1:
            sizes = sizes_of(self.specs[piece.index : piece.index + piece.count])
            raw = fetch(self.read, piece, self.specs, self.work)
            rows = measure_small(raw, spec.dtype, sizes, self.sums, self.work)
            if self.observe is not None:
                self.observe(piece, raw, rows)
            return piece, [], rows
        with room(spec.held):
            return piece, [self._piece(part) for part in pieces_in_order(piece)], None

    def _piece(self, piece: Piece) -> PieceStats:
        raw = fetch(self.read, piece, self.specs, self.work)
        found = measure_piece(raw, self.specs[piece.index].dtype, self.sums, self.work)
        if self.observe is not None:
            self.observe(piece, raw, found)
        return found

    def __reduce__(self) -> tuple[type["MeasureTask"], tuple[object, ...]]:
        return MeasureTask, (self.specs, self.read, self.sums, self.work)


def measure(
    specs: Sequence[TensorSpec],
    wanted: Sequence[int],
    read: Read,
    types: SumKinds,
    workers: Executor,
    observe: PieceObserver | None = None,
) -> StatsTable:
    """Return the statistics of the tensors `wanted` (ascending indices into `specs`); `read` fills raw bytes from an element on."""
    found = StatsTable(wanted, StatsArrays.empty(len(wanted), len(types)))
    pieces: dict[int, list[PieceStats]] = {}
    task = MeasureTask(specs, read, types, workers.work, observe)
    for piece, parts, small in workers.map(task.measure, split(specs, wanted)):
        if small is not None:
            found.put(range(piece.index, piece.index + piece.count), small)
        else:
            pieces.setdefault(piece.index, []).extend(parts)
    found.put(list(pieces), StatsArrays.of([merge(parts, types) for parts in pieces.values()], len(types)))
    return found


def fetch(read: Read, piece: Piece, specs: Sequence[TensorSpec], work: Workspace) -> Raw:
    """Read a piece into `work.raw`."""
    first = specs[piece.index]
    raw = work.raw.take((piece.stop - piece.start) * first.dtype.itemsize, np.uint8)
    read(first, piece.start, raw)
    return raw
