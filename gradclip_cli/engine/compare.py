"""Compare two dumps, tensor by tensor and piece by piece."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import chain, groupby
from operator import itemgetter
from typing import NamedTuple, TypeVar

import numpy as np

from gradclip_cli.engine import row_major
from gradclip_cli.engine.compared_dump import ComparedDump, StoredTensor
from gradclip_cli.engine.executors import Executor, room
from gradclip_cli.engine.measure import FileRead, Read, measure
from gradclip_cli.engine.row_major import RowMajorReader
from gradclip_cli.engine.run import Progress, Run, silent
from gradclip_cli.numerics.comparison import Comparison, PieceComparison, compare_piece, merge
from gradclip_cli.numerics.differences import Tolerance
from gradclip_cli.numerics.dtypes import BYTES, Raw
from gradclip_cli.numerics.products import L2Norm
from gradclip_cli.numerics.workspace import Buffer, Workspace
from gradclip_cli.tensors import Piece, TensorSpec, pieces_in_order, split

Key = TypeVar("Key", bound=Hashable)


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
            for part in pieces_in_order(piece, row_major.TURNED_BYTES if pair.turned else None):
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


def compare(
    a: Mapping[Key, StoredTensor],
    b: Mapping[Key, StoredTensor],
    tolerance: Tolerance,
    workers: Executor,
    progress: Progress = silent,
) -> dict[Key, Comparison]:
    """Compare the tensors that both have by a key, such as their name, with the same shape. Each tensor is read once.

    Packed values are compared as bytes, and only with others of their dtype.
    """
    shared = {key: _pair(stored, b[key]) for key, stored in a.items() if key in b and are_comparable(stored, b[key])}
    keys, pairs = list(shared), list(shared.values())

    task = CompareTask(pairs, tolerance, workers.work, progress)
    chunks = chain.from_iterable(workers.map(task.compare, split([pair.laid for pair in pairs], range(len(pairs)))))
    found = {}
    for index, group in groupby(chunks, key=itemgetter(0)):  # results arrive tensor by tensor
        pair = pairs[index]
        dtypes = pair.a.spec.dtype, pair.b.spec.dtype
        found[keys[index]] = merge([chunk for _, chunk in group], dtypes, pair.scales)
    return found


def are_comparable(a: StoredTensor, b: StoredTensor) -> bool:
    """Whether two tensors have the same shape, and elements that can be compared."""
    dtypes = a.spec.dtype, b.spec.dtype
    same = dtypes[0] is dtypes[1] or "packed" not in (dtypes[0].kind, dtypes[1].kind)
    return a.spec.shape == b.spec.shape and same


def _pair(a: StoredTensor, b: StoredTensor) -> Pair:
    return Pair(_as_bytes(a), _as_bytes(b)) if a.spec.dtype.kind == "packed" else Pair(a, b)


def _as_bytes(stored: StoredTensor) -> StoredTensor:
    spec = stored.spec
    return stored._replace(spec=replace(spec, dtype=BYTES, shape=(spec.nbytes,)))


def uncompared_norms(dump: ComparedDump, compared: Mapping[str, Comparison], run: Run) -> dict[str, L2Norm]:
    """Return the L2 norms of the gradients of a dump that were not compared, by name."""
    left = dump.tensors.keys() - dump.uncounted - compared.keys()
    return l2_norms({name: one for name, one in dump.tensors.items() if name in left}, dump.scale, run)


def l2_norms(tensors: Mapping[Key, StoredTensor], scale: float, run: Run) -> dict[Key, L2Norm]:
    """Return the L2 norms of those of some tensors of a dump that are gradients, by the same keys."""
    rest = {key: one for key, one in tensors.items() if one.spec.dtype.is_gradient}
    found = {}
    for _, members in groupby(rest.items(), lambda item: item[1].file):
        keys, stored = zip(*members, strict=True)
        read = FileRead(stored[0].file, run.progress).read
        measured = measure([one.spec for one in stored], range(len(stored)), read, (2.0,), run.workers)
        for key, stats in zip(keys, measured.values(), strict=True):
            infinite = bool(stats.posinf or stats.neginf)
            found[key] = L2Norm(stats.sums[0], bool(stats.nan), infinite, scale)
    return found
