"""Compare two dumps, tensor by tensor and piece by piece."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import chain, groupby
from operator import itemgetter
from typing import NamedTuple

import numpy as np

from gradclip_cli.engine import row_major
from gradclip_cli.engine.copies import check_copies
from gradclip_cli.engine.executors import Executor, room
from gradclip_cli.engine.joined import Joined, JoinedPiece, Stored
from gradclip_cli.engine.measure import FileRead, Read, measure
from gradclip_cli.engine.row_major import RowMajorReader
from gradclip_cli.engine.run import Progress, Run, silent
from gradclip_cli.inputs.naming import other_names, wrappers_note
from gradclip_cli.inputs.opened import OpenDump, OpenFile
from gradclip_cli.inputs.source import DumpSource
from gradclip_cli.notes import Note
from gradclip_cli.numerics.comparison import Comparison, PieceComparison, compare_piece, merge
from gradclip_cli.numerics.differences import Tolerance
from gradclip_cli.numerics.dtypes import BYTES, Raw
from gradclip_cli.numerics.products import L2Norm
from gradclip_cli.numerics.workspace import Buffer, Workspace
from gradclip_cli.tensors import Piece, TensorSpec, pieces_in_order, split
from gradclip_cli.text import shortlist


class StoredTensor(NamedTuple):
    """A tensor, where its elements are read, and their loss scale: 1 unless they are floating-point numbers."""

    file: Stored
    spec: TensorSpec
    scale: float = 1.0

    @classmethod
    def of(cls, file: Stored, spec: TensorSpec, scale: float) -> "StoredTensor":
        """Return a tensor of a dump with this loss scale."""
        return cls(file, spec, scale if spec.dtype.kind in ("float", "complex") else 1.0)


class ComparedDump(NamedTuple):
    """An open dump: its files, the selected tensors by name, and those of them that count in no norm, with notes on them."""

    source: DumpSource
    files: list[OpenFile]
    tensors: dict[str, StoredTensor]
    uncounted: set[str]
    notes: Sequence[Note] = ()
    scale: float = 1.0  # the loss scale

    def named_as(self, other: "ComparedDump") -> "ComparedDump":
        """Return this dump with the names in `other` of tensors that only wrappers distinguish from those there."""
        if self.tensors.keys() == other.tensors.keys() or not (names := other_names(other.tensors, self.tensors)):
            return self
        note = wrappers_note(self.source.location, *next(iter(names.items())))
        return self._replace(
            tensors={names.get(name, name): stored for name, stored in self.tensors.items()},
            uncounted={names.get(name, name) for name in self.uncounted},
            notes=[*self.notes, note],
        )

    def verify(self) -> None:
        """Raise InputError if a file's own checksums do not match, or if a file has changed."""
        for file in self.files:
            file.reader.verify()


class Pair(NamedTuple):
    """Two tensors with the same name and shape."""

    a: StoredTensor
    b: StoredTensor

    @property
    def turned(self) -> bool:
        """Whether one is in row-major order and the other in column-major order."""
        return self.a.spec.fortran != self.b.spec.fortran

    @property
    def scales(self) -> tuple[float, float]:
        """The loss scales of both."""
        return self.a.scale, self.b.scale

    @property
    def laid(self) -> TensorSpec:
        """The spec to split by: without an offset, so in one piece, if either tensor is encoded or their orders differ."""
        whole = self.turned or self.b.spec.offset is None
        return replace(self.a.spec, offset=None) if whole else self.a.spec


class CompareTask(NamedTuple):
    """Compares pieces of pairs of tensors; a pickled task reports no progress."""

    pairs: Sequence[Pair]
    tolerance: Tolerance
    work: Workspace
    progress: Progress = silent

    def compare(self, piece: Piece) -> list[tuple[int, PieceComparison]]:
        """Return the results of a piece, each with the index of its pair."""
        pieces = [piece]
        if piece.count > 1:
            pieces = [Piece(k, 1, 0, self.pairs[k].a.spec.size) for k in range(piece.index, piece.index + piece.count)]
        return [(one.index, chunk) for one in pieces for chunk in self._chunks(self.pairs[one.index], one)]

    def _chunks(self, pair: Pair, piece: Piece) -> Iterator[PieceComparison]:
        """Compare a piece of both tensors; where their orders differ, the column-major one is read in row-major order."""
        dtypes = pair.a.spec.dtype, pair.b.spec.dtype
        with ExitStack() as stack:
            stack.enter_context(room(sum(stored.spec.held for stored in pair)))
            reads = [self._reading(stored, pair.turned, stack) for stored in pair]
            for part in pieces_in_order(piece, pair.a.spec, row_major.TURNED_BYTES if pair.turned else None):
                raws = [
                    self._fetch(read, stored, part, buffer)
                    for read, stored, buffer in zip(reads, pair, (self.work.raw, self.work.raw_b), strict=True)
                ]
                yield compare_piece(raws[0], raws[1], dtypes, self.tolerance, self.work, pair.scales)

    def _reading(self, stored: StoredTensor, turned: bool, stack: ExitStack) -> Read:
        read = stored.file.reader.read
        if turned and stored.spec.fortran:
            return stack.enter_context(RowMajorReader(read, stored.spec, self.work, stored.file.path)).read
        return read

    def _fetch(self, read: Read, stored: StoredTensor, piece: Piece, buffer: Buffer) -> Raw:
        """Read a piece into a buffer that later pieces use again."""
        raw = buffer.take((piece.stop - piece.start) * stored.spec.dtype.itemsize, np.uint8)
        read(stored.spec, piece.start, raw)
        self.progress(raw.size, stored.file.path)
        return raw

    def __reduce__(self) -> tuple[type["CompareTask"], tuple[object, ...]]:
        return CompareTask, (self.pairs, self.tolerance, self.work)


@contextmanager
def opened(source: DumpSource, run: Run) -> Iterator[ComparedDump]:
    """Open all files of a dump."""
    with run.open(source) as dump:
        files = dump.all()
        tensors = {
            known.name: StoredTensor.of(file.portable, spec, dump.scale)
            for file in files
            for known, spec in zip(file.tensors, file.reader.tensors, strict=True)
            if run.selection.takes(known.name)
        }
        tensors |= _joined(dump, files, run)
        uncounted = {name for name, one in tensors.items() if not run.selection.counts(one.spec)}
        yield ComparedDump(source, files, tensors, uncounted, _notes(dump), dump.scale)


def _notes(dump: OpenDump) -> list[Note]:
    """Return the notes on an open dump, and on what in it is not compared."""
    if not dump.non_numeric:
        return dump.notes
    what = f"not numbers, not compared: {shortlist(dump.non_numeric)}"
    return [*dump.notes, Note("not-numbers", f"{dump.source.location}: {what}")]


def _joined(dump: OpenDump, files: Sequence[OpenFile], run: Run) -> dict[str, StoredTensor]:
    """Return the selected tensors that are put together from pieces; raise InputError where copies differ."""
    wholes = {name: whole for name, whole in dump.wholes.items() if run.selection.takes(name)}
    held = [JoinedPiece(file.portable, spec, ()) for file in files for spec in file.reader.tensors] if wholes else []
    found, copies = dict[str, StoredTensor](), dict[int, int]()
    for name, whole in wholes.items():
        joined = Joined(whole.shape, [held[one.place]._replace(offsets=one.offsets) for one in whole.pieces])
        found[name] = StoredTensor.of(joined, joined.spec, dump.scale)
        copies.update(whole.copies)
    check_copies(copies, dump.files, dump.tensors, run)
    return found


def compare(
    a: Mapping[str, StoredTensor],
    b: Mapping[str, StoredTensor],
    tolerance: Tolerance,
    workers: Executor,
    progress: Progress = silent,
) -> dict[str, Comparison]:
    """Compare the tensors that both dumps have with the same shape; return the results by name. Each tensor is read once.

    Packed values are compared as bytes, and only with others of their dtype.
    """
    shared = {
        name: _pair(stored, b[name])
        for name, stored in a.items()
        if name in b and stored.spec.shape == b[name].spec.shape and _is_comparable(stored.spec, b[name].spec)
    }
    names, pairs = list(shared), list(shared.values())

    task = CompareTask(pairs, tolerance, workers.work, progress)
    chunks = chain.from_iterable(workers.map(task.compare, split([pair.laid for pair in pairs], range(len(pairs)))))
    found = {}
    for index, group in groupby(chunks, key=itemgetter(0)):  # results arrive tensor by tensor
        pair = pairs[index]
        dtypes = pair.a.spec.dtype, pair.b.spec.dtype
        found[names[index]] = merge([chunk for _, chunk in group], dtypes, pair.scales)
    return found


def _is_comparable(a: TensorSpec, b: TensorSpec) -> bool:
    return a.dtype is b.dtype or "packed" not in (a.dtype.kind, b.dtype.kind)


def _pair(a: StoredTensor, b: StoredTensor) -> Pair:
    return Pair(_as_bytes(a), _as_bytes(b)) if a.spec.dtype.kind == "packed" else Pair(a, b)


def _as_bytes(stored: StoredTensor) -> StoredTensor:
    spec = stored.spec
    return stored._replace(spec=replace(spec, dtype=BYTES, shape=(spec.nbytes,)))


def uncompared_norms(dump: ComparedDump, compared: Mapping[str, Comparison], run: Run) -> dict[str, L2Norm]:
    """Return the L2 norms of the gradients of a dump that were not compared, by name."""
    left = dump.tensors.keys() - dump.uncounted - compared.keys()
    rest = {name: one for name, one in dump.tensors.items() if name in left and one.spec.dtype.is_gradient}
    found = {}
    for _, members in groupby(rest.items(), lambda item: item[1].file):
        names, stored = zip(*members, strict=True)
        read = FileRead(stored[0].file, run.progress).read
        measured = measure([one.spec for one in stored], range(len(stored)), read, (2.0,), run.workers)
        for name, stats in zip(names, measured.values(), strict=True):
            infinite = bool(stats.posinf or stats.neginf)
            found[name] = L2Norm(stats.sums[0], bool(stats.nan), infinite, dump.scale)
    return found
