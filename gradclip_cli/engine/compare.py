"""Compare two dumps, tensor by tensor and piece by piece."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import chain, groupby
from operator import attrgetter
from typing import NamedTuple, TypeVar

import numpy as np

from gradclip_cli.engine import row_major
from gradclip_cli.engine.compared_dump import StoredTensor
from gradclip_cli.engine.executors.base import Executor, room
from gradclip_cli.engine.executors.progress import Progress, portable, silent
from gradclip_cli.engine.executors.receipts import map_with_receipts
from gradclip_cli.engine.measure import FileRead, Read, measure, sendable_bytes
from gradclip_cli.engine.row_major import RowMajorReader
from gradclip_cli.engine.run import Run
from gradclip_cli.numerics.comparison import Comparison, PieceComparison, compare_piece, merge
from gradclip_cli.numerics.differences import Tolerance
from gradclip_cli.numerics.dtypes import BYTES, Raw
from gradclip_cli.numerics.norms import BLOCK
from gradclip_cli.numerics.products import L2Norm
from gradclip_cli.numerics.small_comparison import compare_small
from gradclip_cli.numerics.workspace import Buffer, Workspace
from gradclip_cli.tensors import Piece, TensorSpec, adjoin, pieces_in_order, split

Key = TypeVar("Key", bound=Hashable)

_AT_ONCE = 4 * BLOCK
"""The most elements of small tensors that are compared at once."""


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
    def group(self) -> tuple[object, ...] | None:
        """What it must share with others to be compared with them at once; None if it is compared alone."""
        a, b = self
        if self.turned or a.scale != b.scale or not 0 < a.spec.size <= BLOCK:
            return None
        dtypes = a.spec.dtype, b.spec.dtype
        return (*dtypes, a.scale) if all(dtype.is_float for dtype in dtypes) else None

    @property
    def laid(self) -> TensorSpec:
        """The spec to split by: without an offset, so in one piece, if either tensor is encoded or their orders differ."""
        whole = self.turned or self.b.spec.offset is None
        return replace(self.a.spec, offset=None) if whole else self.a.spec


class Small(NamedTuple):
    """Small pairs that are compared at once, by index."""

    indices: Sequence[int]


class Outcome(NamedTuple):
    """The results of a piece of one pair, or the comparisons of small pairs, by index."""

    first: int
    pieces: Sequence[PieceComparison] = ()
    small: Sequence[tuple[int, Comparison]] = ()


class CompareTask(NamedTuple):
    """Compares pieces of pairs of tensors; a pickled task counts bytes for the progress of its sender."""

    pairs: Sequence[Pair]
    tolerance: Tolerance
    work: Workspace
    progress: Progress = silent

    def compare(self, work: Piece | Small) -> Outcome:
        """Return the results of a piece of one pair, or those of small pairs."""
        if isinstance(work, Piece):
            return Outcome(work.index, pieces=list(self._chunks(self.pairs[work.index], work)))
        pairs = [self.pairs[k] for k in work.indices]
        a, b = ([pair[side] for pair in pairs] for side in (0, 1))
        raws = self._gather(a, self.work.raw), self._gather(b, self.work.raw_b)
        dtypes, scale = (a[0].spec.dtype, b[0].spec.dtype), a[0].scale
        found = compare_small(raws, dtypes, [one.spec.size for one in a], self.tolerance, self.work, scale)
        if None in found:
            found = list(self._completed(found, pairs, raws))
        return Outcome(work.indices[0], small=[(k, one) for k, one in zip(work.indices, found, strict=True) if one])

    def _gather(self, stored: Sequence[StoredTensor], buffer: Buffer) -> Raw:
        """Read small tensors one after the other, neighbours in a file at once."""
        raw = buffer.take(sum(one.spec.nbytes for one in stored), np.uint8)
        at = 0
        for run in _neighbours(stored):
            part = raw[at : at + sum(one.spec.nbytes for one in run)]
            run[0].file.read(run[0].spec, 0, part)
            self.progress(part.size, run[0].file.path)
            at += part.size
        return raw

    def _completed(
        self, found: Sequence[Comparison | None], pairs: Sequence[Pair], raws: tuple[Raw, Raw]
    ) -> Iterator[Comparison]:
        """Compare those small pairs alone that could not be compared with the others, such as those with NaN."""
        dtypes = pairs[0].a.spec.dtype, pairs[0].b.spec.dtype
        at_a = at_b = 0
        for one, pair in zip(found, pairs, strict=True):
            end_a, end_b = at_a + pair.a.spec.nbytes, at_b + pair.b.spec.nbytes
            parts = raws[0][at_a:end_a], raws[1][at_b:end_b]
            yield one or merge(
                [compare_piece(*parts, dtypes, self.tolerance, self.work, pair.scales)], dtypes, pair.scales
            )
            at_a, at_b = end_a, end_b

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
        read = stored.file.read
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
        return CompareTask, (self.pairs, self.tolerance, self.work, portable(self.progress))


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

    task, found = CompareTask(pairs, tolerance, workers.work, progress), dict[int, Comparison]()
    nbytes = sendable_bytes([one.spec for pair in pairs for one in pair], range(2 * len(pairs)), workers)
    outcomes = map_with_receipts(
        workers, task.compare, _tasks(pairs), nbytes, (one.file for pair in pairs for one in pair)
    )
    for index, group in groupby(outcomes, key=attrgetter("first")):  # results arrive tensor by tensor
        some, pair = list(group), pairs[index]
        if some[0].small:
            found.update(chain.from_iterable(one.small for one in some))
            continue
        dtypes = pair.a.spec.dtype, pair.b.spec.dtype
        found[index] = merge([piece for one in some for piece in one.pieces], dtypes, pair.scales)
    return {key: found[index] for index, key in enumerate(keys)}


def _tasks(pairs: Sequence[Pair]) -> Iterator[Piece | Small]:
    """Yield the groups of small pairs, then the pieces of the others."""
    groups: dict[tuple[object, ...], list[int]] = {}
    rest = []
    for index, pair in enumerate(pairs):
        group = pair.group
        if group is None:
            rest.append(index)
        else:
            groups.setdefault(group, []).append(index)
    for indices in groups.values():
        yield from _cut(indices, pairs)
    laid = [pair.laid for pair in pairs] if rest else []
    for piece in split(laid, rest):
        pieces = [piece]
        if piece.count > 1:
            pieces = [Piece(k, 1, 0, laid[k].size) for k in range(piece.index, piece.index + piece.count)]
        yield from pieces


def _cut(indices: Sequence[int], pairs: Sequence[Pair]) -> Iterator[Small]:
    """Cut a group into parts of at most `_AT_ONCE` elements, which stay in the cache of a processor."""
    part, size = list[int](), 0
    for index in indices:
        more = pairs[index].a.spec.size
        if part and size + more > _AT_ONCE:
            yield Small(part)
            part, size = [], 0
        part.append(index)
        size += more
    yield Small(part)


def _neighbours(stored: Sequence[StoredTensor]) -> Iterator[list[StoredTensor]]:
    """Yield the runs of tensors that adjoin in one file."""
    run: list[StoredTensor] = []
    for one in stored:
        if run and one.file is run[0].file and adjoin(run[-1].spec, one.spec):
            run.append(one)
        else:
            if run:
                yield run
            run = [one]
    yield run


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


def l2_norms(tensors: Mapping[Key, StoredTensor], scale: float, run: Run) -> dict[Key, L2Norm]:
    """Return the L2 norms of those of some tensors of a dump that are gradients, by the same keys."""
    rest = {key: one for key, one in tensors.items() if one.spec.dtype.is_gradient}
    found = {}
    for _, members in groupby(rest.items(), lambda item: item[1].file):
        keys, stored = zip(*members, strict=True)
        read = FileRead(stored[0].file, run.progress).read
        specs, file = [one.spec for one in stored], stored[0].file
        measured = measure(specs, range(len(specs)), read, (2.0,), run.workers, sources=[file])
        for key, stats in zip(keys, measured.values(), strict=True):
            infinite = bool(stats.posinf or stats.neginf)
            found[key] = L2Norm(stats.sums[0], bool(stats.nan), infinite, scale)
    return found
