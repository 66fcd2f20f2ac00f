"""Compare slices of two tensors along axis 0, each with one of the other tensor, or a tensor's slices with those before them."""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.engine.executors.base import Executor, room
from gradclip_cli.formats.portable import PortableReader
from gradclip_cli.numerics.differences import numbers
from gradclip_cli.numerics.norms import BLOCK
from gradclip_cli.numerics.workspace import Buffer, Workspace
from gradclip_cli.tensors import Piece, TensorSpec, slices_in_order

Flags = NDArray[np.bool_]


class SliceRun(NamedTuple):
    """The slices of a tensor from `first` on, whose elements are divided by their loss scale."""

    file: PortableReader
    spec: TensorSpec
    first: int
    scale: float = 1.0

    @property
    def start(self) -> int:
        """The first element."""
        return self.first * self.spec.slice_size

    def skip(self, work: Workspace) -> None:
        """Read an encoded tensor up to the first slice, since it can only be read from its start."""
        if self.spec.offset is None:
            for piece in slices_in_order(Piece(0, 1, 0, self.start), self.spec):
                self.read(piece.start, piece.stop, work.raw, work)

    def read(self, start: int, stop: int, out: Buffer, work: Workspace) -> NDArray[Any]:
        """Return elements as float64 or complex128, in memory of `out`."""
        dtype = self.spec.dtype
        raw = work.columns.take((stop - start) * dtype.itemsize, np.uint8)
        self.file.read(self.spec, start, raw)
        values = numbers(raw, dtype.part, out, work).values
        if self.scale != 1:
            np.divide(values, self.scale, out=values)
        return values.view(np.complex128) if dtype.is_complex else values


class SlicePairs(NamedTuple):
    """`wanted` says which slices of `a` are to be compared with those of `b`, which are of the same size.

    Elements are equal if |a - b| <= atol + rtol·|b|; `atol` holds one number for each pair of slices.
    """

    a: SliceRun
    b: SliceRun
    wanted: Flags
    rtol: float
    atol: NDArray[np.float64]


def same_slices(pairs: Sequence[SlicePairs], workers: Executor) -> list[Flags]:
    """Return for each pair of runs which of the wanted slices are the same in both; all their elements must be finite."""
    return list(workers.map(CompareSlices(workers.work).compare, pairs))


class CompareSlices(NamedTuple):
    """Compares two runs of slices."""

    work: Workspace

    def compare(self, pairs: SlicePairs) -> Flags:
        """Return which of the wanted slices are the same in both."""
        a, b, work = pairs.a, pairs.b, self.work
        same, size, encoded = pairs.wanted.copy(), a.spec.slice_size, None in (a.spec.offset, b.spec.offset)
        with ExitStack() as stack:
            stack.enter_context(room(a.spec.held + b.spec.held))
            a.skip(work)
            b.skip(work)
            for piece in slices_in_order(Piece(0, 1, 0, len(same) * size), a.spec):
                first = piece.start // size
                rows = slice(first, first + ((piece.stop - piece.start) // size if size <= BLOCK else 1))
                if encoded or same[rows].any():
                    same[rows] &= self._same(pairs, piece, rows)
        return same

    def _same(self, pairs: SlicePairs, piece: Piece, rows: slice) -> Flags:
        """Return which slices of a piece are the same, as far as they are in it."""
        a, b, work = pairs.a, pairs.b, self.work
        left = a.read(a.start + piece.start, a.start + piece.stop, work.numbers_a, work)
        right = b.read(b.start + piece.start, b.start + piece.stop, work.numbers_b, work)
        with np.errstate(all="ignore"):
            apart = np.abs(left - right).reshape(rows.stop - rows.start, -1)
            limit = np.abs(right).reshape(apart.shape) * pairs.rtol + pairs.atol[rows, None]
            same: Flags = np.logical_and.reduce(apart <= limit, axis=1)
        return same
