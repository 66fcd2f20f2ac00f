"""Count the values that underflow or overflow in a narrower dtype.

Counts compare the stored bits without the sign, which sort as the magnitudes do. Values round to nearest even, as in frameworks,
so one just below the smallest normal number becomes that number. A complex element is judged by its larger part, since a narrower
dtype would store both: it underflows if both parts do, and overflows if either does.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.checks.limits import STORED
from gradclip_cli.engine.measure import PieceObserver
from gradclip_cli.formats.base import Format, Reader
from gradclip_cli.numerics.dtypes import FLOATS, DType, Raw, words_of
from gradclip_cli.numerics.groups import Groups
from gradclip_cli.numerics.narrow_floats import FNUZ, bias_of, overflow_bits, values_of
from gradclip_cli.numerics.statistics import PieceStats
from gradclip_cli.numerics.statistics_arrays import StatsArrays
from gradclip_cli.numerics.workspace import Workspace
from gradclip_cli.spec_table import sizes_of
from gradclip_cli.tensors import Piece, TensorSpec

Counts = NDArray[np.int64]

_NAMED = {dtype.name: dtype for dtype in FLOATS}


class RangeCounts(ABC):
    """Counts for each tensor and each target: values below the smallest normal number, and values that overflow.

    A target is the name of a dtype, or `stored` for that of the tensor. Zeros count as below, infinities and NaN as overflow.
    Files must be observed in the order of the dump; their pieces may come in any order.
    """

    def __init__(self, targets: Sequence[str], work: Workspace) -> None:
        self.targets, self._work = targets, work
        self._tensors = 0

    def observer_for(self, format: Format, reader: Reader) -> PieceObserver | None:
        """Return the observer that counts in the pieces of a file; None where there are no targets."""
        specs, start = reader.tensors, self._tensors
        self._tensors += len(specs)
        return self.observer(specs, start) if self.targets else None

    @abstractmethod
    def observer(self, specs: Sequence[TensorSpec], start: int) -> PieceObserver:
        """Return the observer that counts in the pieces of a file whose tensors are those of the dump from `start` on."""

    @property
    @abstractmethod
    def counted(self) -> Mapping[int, Counts]:
        """What was counted, by the number of a file, or of a tensor of which there are slices."""

    @abstractmethod
    def recall(self, counted: Mapping[int, Counts]) -> None:
        """Take what was counted before, in place of observing files."""

    @abstractmethod
    def table(self, groups: Sequence[Sequence[int]], row: int | None) -> Counts:
        """Return the counts of tensors, each given by its pieces, in a dump or a slice: of shape (tensors, targets, 2)."""


class DumpRangeCounts(RangeCounts):
    """Counts in whole tensors."""

    def __init__(self, targets: Sequence[str], work: Workspace) -> None:
        super().__init__(targets, work)
        self._files: list[Counts] = []

    def observer(self, specs: Sequence[TensorSpec], start: int) -> PieceObserver:
        """Return the observer that counts in the pieces of a file whose tensors are those of the dump from `start` on."""
        counts = np.zeros((len(specs), len(self.targets), 2), np.int64)
        self._files.append(counts)

        def take(piece: Piece, found: Counts) -> None:
            counts[piece.index : piece.index + piece.count] += found

        return PieceObserver(_PieceCounts(specs, self.targets, self._work).see, take)

    @property
    def counted(self) -> Mapping[int, Counts]:
        """The counts of each file."""
        return dict(enumerate(self._files))

    def recall(self, counted: Mapping[int, Counts]) -> None:
        """Take the counts of each file."""
        self._files = list(counted.values())

    def of(self, indices: Sequence[int]) -> list[tuple[int, int]]:
        """Return the counts (below, overflow) of a tensor for each target, summed over its pieces."""
        return [(low, high) for low, high in self.table([indices], None)[0].tolist()]

    def table(self, groups: Sequence[Sequence[int]], row: int | None) -> Counts:
        """Return the counts of tensors, each given by its pieces: of shape (tensors, targets, 2)."""
        if not self.targets or not groups:
            return np.zeros((len(groups), len(self.targets), 2), np.int64)
        every = self._files[0] if len(self._files) == 1 else np.concatenate(self._files)
        own = Groups.of(groups)
        taken: Counts = every[own.members]
        return taken if own.are_single else np.add.reduceat(taken, own.starts[:-1], axis=0)


class SliceRangeCounts(RangeCounts):
    """Counts in each slice along axis 0."""

    def __init__(self, targets: Sequence[str], work: Workspace) -> None:
        super().__init__(targets, work)
        self._counts: dict[int, Counts] = {}  # of shape (slices, targets, 2)

    def observer(self, specs: Sequence[TensorSpec], start: int) -> PieceObserver:
        """Return the observer that counts in the pieces of a file whose tensors are those of the dump from `start` on."""

        def take(piece: Piece, found: Counts) -> None:
            spec, index = specs[piece.index], start + piece.index
            if index not in self._counts:
                self._counts[index] = np.zeros((spec.shape[0], len(self.targets), 2), np.int64)
            first = piece.start // spec.slice_size
            self._counts[index][first : first + len(found)] += found

        return PieceObserver(_PieceCounts(specs, self.targets, self._work).see_slices, take)

    @property
    def counted(self) -> Mapping[int, Counts]:
        """The counts of the slices of each tensor."""
        return self._counts

    def recall(self, counted: Mapping[int, Counts]) -> None:
        """Take the counts of the slices of each tensor."""
        self._counts = dict(counted)

    def table(self, groups: Sequence[Sequence[int]], row: int | None) -> Counts:
        """Return the counts of tensors in slice `row`, of shape (tensors, targets, 2)."""
        none = np.zeros((len(self.targets), 2), np.int64)  # of a tensor without elements
        found = [self._counts[index][row or 0] if index in self._counts else none for (index,) in groups]
        return np.array(found, np.int64).reshape(len(groups), len(self.targets), 2)


class _PieceCounts(NamedTuple):
    """Counts in pieces of a file."""

    specs: Sequence[TensorSpec]
    targets: Sequence[str]
    work: Workspace

    def see(self, piece: Piece, raw: Raw, stats: PieceStats | StatsArrays) -> Counts:
        """Return the counts of each tensor in a piece, of shape (tensors, targets, 2)."""
        sizes = sizes_of(self.specs[piece.index : piece.index + piece.count]) if piece.count > 1 else []
        dtype, found = self.specs[piece.index].dtype, np.empty((piece.count, len(self.targets), 2), np.int64)
        size = _magnitude_bits(raw, dtype, self.work)
        for k, (low, high) in enumerate(range_bits(dtype, target) for target in self.targets):
            found[:, k, 0], found[:, k, 1] = _marked(size < low, sizes), _marked(size >= high, sizes)
        return found

    def see_slices(self, piece: Piece, raw: Raw, stats: PieceStats | StatsArrays) -> Counts:
        """Return the counts of several whole slices of a tensor, or of a piece of one, of shape (slices, targets, 2)."""
        spec = self.specs[piece.index]
        rows = max(1, (piece.stop - piece.start) // spec.slice_size)
        size = _magnitude_bits(raw, spec.dtype, self.work).reshape(rows, -1)
        found = np.empty((rows, len(self.targets), 2), np.int64)
        for k, (low, high) in enumerate(range_bits(spec.dtype, target) for target in self.targets):
            found[:, k] = np.array([np.count_nonzero(size < low, axis=1), np.count_nonzero(size >= high, axis=1)]).T
        return found


class _RangeBits(NamedTuple):
    """Stored bits, without the sign, of the smallest value that is normal in a target, and of the smallest that overflows."""

    low: int
    high: int


@cache
def range_bits(dtype: DType, target: str) -> _RangeBits:
    """Return the bits at which values of `dtype` (of its parts, if it is complex) leave the range of `target`."""
    dtype = dtype.part
    to = dtype if target == STORED else _NAMED[target]
    if to.name == dtype.name:
        return _RangeBits(1 << _mantissa(dtype), _infinite(dtype))
    low = math.ldexp(1 - 2.0 ** (-to.mantissa - 1), 1 - bias_of(to))
    top = int(overflow_bits(to)) - 1
    step = float(values_of(to)[top] - values_of(to)[top - 1])
    high = float(values_of(to)[top]) + step / 2
    if top % 2 == 0:  # a tie rounds to even, which here is the finite value
        high = math.nextafter(high, math.inf)
    return _RangeBits(_first(low, dtype), _first(high, dtype))


def _first(value: float, dtype: DType) -> int:
    """Return the bits of the smallest number of a dtype that is at least `value`, or of infinity where there is none."""
    if dtype.narrow:
        return int(np.searchsorted(values_of(dtype)[: _infinite(dtype)], value))
    kind = np.dtype(dtype.name).type
    with np.errstate(over="ignore"):
        near = kind(value)
    near = near if float(near) >= value else np.nextafter(near, kind(np.inf))
    return int(near.view(f"u{dtype.itemsize}"))


def _mantissa(dtype: DType) -> int:
    return dtype.mantissa or int(np.finfo(dtype.name).nmant)


def _infinite(dtype: DType) -> int:
    if dtype.narrow:
        return int(overflow_bits(dtype))
    return int(np.array(np.inf, dtype.name).view(f"u{dtype.itemsize}"))


def _marked(mask: NDArray[np.bool_], sizes: Sequence[int]) -> NDArray[np.int64] | int:
    """Return how many elements of each tensor are marked, or of all if there are no sizes."""
    count = int(np.count_nonzero(mask))
    if not sizes or not count:
        return count
    before = np.concatenate([np.zeros(1, np.int64), np.cumsum(mask)])
    found: NDArray[np.int64] = np.diff(before[np.cumsum([0, *sizes])])
    return found


def _magnitude_bits(raw: Raw, dtype: DType, work: Workspace) -> NDArray[Any]:
    """Return stored bits without the sign, in `work.unsigned_bits`; of complex elements, those of the larger part."""
    part = dtype.part
    bits = words_of(raw, part)
    size = work.unsigned_bits.take(bits.size, bits.dtype.type)
    if dtype.swapped:
        bits = bits.byteswap()
    np.bitwise_and(bits, (1 << (8 * part.itemsize - 1)) - 1, out=size)
    if dtype.variant == FNUZ:  # the word of -0 is NaN there
        np.copyto(size, overflow_bits(dtype), where=bits == overflow_bits(dtype), casting="same_kind")
    return size.reshape(-1, 2).max(axis=1) if dtype.is_complex else size
