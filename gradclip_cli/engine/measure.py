"""Measure the statistics of tensors piece by piece, reading each once."""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from gradclip_cli.engine.executors.base import Executor, room
from gradclip_cli.engine.executors.progress import Progress, portable, silent
from gradclip_cli.engine.executors.receipts import HasReceipts, map_with_receipts
from gradclip_cli.formats.portable import PortableReader
from gradclip_cli.numerics.dtypes import Raw
from gradclip_cli.numerics.measuring import measure_piece, measure_small
from gradclip_cli.numerics.norms import SumKinds
from gradclip_cli.numerics.statistics import PieceStats, merge
from gradclip_cli.numerics.statistics_arrays import StatsArrays
from gradclip_cli.numerics.statistics_table import StatsTable
from gradclip_cli.numerics.workspace import Workspace
from gradclip_cli.spec_table import sizes_of
from gradclip_cli.tensors import Piece, TensorSpec, pieces_in_order, split

NormTypes = tuple[float, ...]
Read = Callable[[TensorSpec, int, Raw], None]

See = Callable[[Piece, Raw, PieceStats | StatsArrays], Any]
"""Called with every piece where it is measured: the piece, its stored elements, and its statistics.

These have a row for each of several small tensors, or of several slices of a tensor whose slices are dumps. Returns what it
found, small and picklable, or None.
"""

_MOST_SENT, _LEAST_EACH = 20_000, 64 << 10
"""The most tensors of a file that processes work on, and their least size in bytes, on average.

Each process reads the header again, and holds the specs of all: 20,000 take 10 MiB. A tensor takes it 7 µs, in which threads
work through 40 kB.
"""

Findings = list[tuple[Piece, Any]]
"""What was found in pieces, without those in which nothing was."""


class PieceObserver(NamedTuple):
    """Looks at every piece after it is measured, in two parts that may be in different processes.

    `see` runs where the piece is measured, on several threads and in any order: a method of a value that can be pickled; one
    that cannot keeps its task in this process. `take` is called with what it found, in the process that began and by one
    thread, in the order of the pieces.
    """

    see: See
    take: Callable[[Piece, Any], None]

    def take_all(self, findings: Findings) -> None:
        """Take what was found in several pieces."""
        for piece, found in findings:
            self.take(piece, found)


class _SeeAll(NamedTuple):
    """What several observers do where a piece is measured."""

    parts: tuple[See, ...]

    def see(self, piece: Piece, raw: Raw, stats: PieceStats | StatsArrays) -> list[Any] | None:
        """Return what each of them found, or None if none found anything."""
        found = [see(piece, raw, stats) for see in self.parts]
        return found if any(one is not None for one in found) else None


def together(observers: Sequence[PieceObserver | None]) -> PieceObserver | None:
    """Return one observer for several, or None for none."""
    there = [one for one in observers if one is not None]

    def take(piece: Piece, found: list[Any]) -> None:
        for observer, one in zip(there, found, strict=True):
            if one is not None:
                observer.take(piece, one)

    if len(there) < 2:
        return next(iter(there), None)
    return PieceObserver(_SeeAll(tuple(one.see for one in there)).see, take)


class ElementSource(HasReceipts, Protocol):
    """Where the elements of a tensor are read: in a file, or in several."""

    @property
    def path(self) -> str:
        """The path of the file, or of the first."""

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths that progress is reported for."""

    def read(self, spec: TensorSpec, start: int, out: Raw) -> None:
        """Fill `out` with stored elements from element `start` on."""


class FileRead(NamedTuple):
    """Reads elements of a file and reports the bytes as progress; a pickled one counts them for that of its sender."""

    file: ElementSource
    progress: Progress = silent

    def read(self, spec: TensorSpec, start: int, out: Raw) -> None:
        """Fill `out` with the stored bytes of a tensor from element `start` on."""
        self.file.read(spec, start, out)
        for path in self.file.paths:
            self.progress(out.size, path)

    def __reduce__(self) -> tuple[type["FileRead"], tuple[ElementSource, Progress]]:
        return FileRead, (self.file, portable(self.progress))


class MeasuredPiece(NamedTuple):
    """A piece with the statistics of its parts, or those of its small tensors, one row each; and what was found in it."""

    piece: Piece
    parts: list[PieceStats]
    small: StatsArrays | None
    findings: Findings


class MeasureTask(NamedTuple):
    """Measures pieces of a file; it can be pickled if `see` can."""

    specs: Sequence[TensorSpec]
    read: Read
    sums: SumKinds
    work: Workspace
    see: See | None = None

    def measure(self, piece: Piece) -> MeasuredPiece:
        """Return the statistics of a piece, and what was found in it."""
        spec = self.specs[piece.index]
        if piece.count > 1:
            sizes = sizes_of(self.specs[piece.index : piece.index + piece.count])
            raw = fetch(self.read, piece, self.specs, self.work)
            rows = measure_small(raw, spec.dtype, sizes, self.sums, self.work)
            return MeasuredPiece(piece, [], rows, seen(self.see, piece, raw, rows))
        findings: Findings = []
        with room(spec.held):
            return MeasuredPiece(
                piece, [self._piece(part, findings) for part in pieces_in_order(piece)], None, findings
            )

    def expect(self, items: Sequence[Piece]) -> None:
        """Tell a remote file which pieces are measured next."""
        foretell(self.read, self.specs, items)

    def _piece(self, piece: Piece, findings: Findings) -> PieceStats:
        raw = fetch(self.read, piece, self.specs, self.work)
        stats = measure_piece(raw, self.specs[piece.index].dtype, self.sums, self.work)
        findings += seen(self.see, piece, raw, stats)
        return stats


def seen(see: See | None, piece: Piece, raw: Raw, stats: PieceStats | StatsArrays) -> Findings:
    """Return what an observer finds in a piece."""
    found = see(piece, raw, stats) if see is not None else None
    return [(piece, found)] if found is not None else []


def measure(
    specs: Sequence[TensorSpec],
    wanted: Sequence[int],
    read: Read,
    types: SumKinds,
    workers: Executor,
    observe: PieceObserver | None = None,
    sources: Sequence[HasReceipts] = (),
    known: Iterable[Piece] | None = None,
) -> StatsTable:
    """Return the statistics of the tensors `wanted` (ascending indices into `specs`).

    `read` fills raw bytes from an element on; `sources` are all readers that it uses. `known` are the pieces of these tensors,
    where they are known.
    """
    found = StatsTable(wanted, StatsArrays.empty(len(wanted), len(types)))
    pieces: dict[int, list[PieceStats]] = {}
    task = MeasureTask(specs, read, types, workers.work, observe.see if observe is not None else None)
    nbytes = sendable_bytes(specs, wanted, workers)
    every = ahead(sources, specs, split(specs, wanted) if known is None else known, here=not workers.far)
    for piece, parts, small, findings in map_with_receipts(workers, task.measure, every, nbytes, sources):
        if observe is not None:
            observe.take_all(findings)
        if small is not None and piece.count == len(wanted):
            found = StatsTable(wanted, small)
        elif small is not None:
            found.put(range(piece.index, piece.index + piece.count), small)
        else:
            pieces.setdefault(piece.index, []).extend(parts)
    if pieces:
        found.put(list(pieces), StatsArrays.of([merge(parts, types) for parts in pieces.values()], len(types)))
    return found


def ahead(
    sources: Sequence[HasReceipts | None], specs: Sequence[TensorSpec], pieces: Iterable[Piece], *, here: bool
) -> Iterable[Piece]:
    """Tell the file of a remote source which pieces are going to be read if that is done `here`; return them."""
    first = sources[0] if sources and here else None
    return first.expect(specs, pieces) if isinstance(first, PortableReader) else pieces


def foretell(read: Read, specs: Sequence[TensorSpec], pieces: Sequence[Piece]) -> None:
    """Tell the file behind `read`, if it is one that is remote, which pieces are going to be read."""
    owner = getattr(read, "__self__", None)
    if isinstance(owner, FileRead) and isinstance(owner.file, PortableReader):
        owner.file.expect(specs, pieces)


def fetch(read: Read, piece: Piece, specs: Sequence[TensorSpec], work: Workspace) -> Raw:
    """Read a piece into `work.raw`."""
    first = specs[piece.index]
    raw = work.raw.take((piece.stop - piece.start) * first.dtype.itemsize, np.uint8)
    read(first, piece.start, raw)
    return raw


def sendable_bytes(specs: Sequence[TensorSpec], wanted: Collection[int], workers: Executor) -> int:
    """Return the bytes of the tensors `wanted` for `Executor.map`: 0 where they are many or small, or any of them is encoded.

    Threads unpack as fast as processes, each of which would walk through the structure of the file anew. Other machines take
    all of it from this one.
    """
    if workers.far:
        return sum(specs[index].nbytes for index in wanted)
    if len(specs) > _MOST_SENT or any(specs[index].offset is None and specs[index].size for index in wanted):
        return 0
    nbytes = sum(specs[index].nbytes for index in wanted)
    return nbytes if nbytes >= _LEAST_EACH * len(specs) else 0
