"""Keep the statistics of many tensors in two arrays, since a million objects would take half a gigabyte."""

import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.numerics import norms
from gradclip_cli.numerics.groups import Groups
from gradclip_cli.numerics.norms import SumKinds
from gradclip_cli.numerics.overall import ELEMENTS, EXPONENTS, MAX_ABS, NAN, NEGINF, POSINF, SUMS, ZEROS, Overall
from gradclip_cli.numerics.statistics import TensorStats
from gradclip_cli.numerics.statistics_arrays import StatsArrays

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class StatsTable(Mapping[int, TensorStats]):
    """Map the ascending indices of tensors in a dump to their statistics, which are made on access.

    `block` is of the elements as stored; norms and the largest |x| are divided by `scale`, the loss scale of the elements.
    """

    def __init__(
        self, indices: Sequence[int], block: StatsArrays, scale: float = 1.0, overall: Overall | None = None
    ) -> None:
        first, size = indices[0] if indices else 0, len(indices)
        whole = not size or indices[-1] - first == size - 1
        self.indices: Sequence[int] = range(first, first + size) if whole else indices
        self.block, self.scale = block, scale
        self._overall = overall

    @classmethod
    def of(cls, rows: Mapping[int, TensorStats], sums: int) -> "StatsTable":
        """Make a table from statistics by index."""
        return cls(sorted(rows), StatsArrays.of([rows[index] for index in sorted(rows)], sums))

    def __getitem__(self, index: int) -> TensorStats:
        row = self.row(index)
        if row < 0:
            raise KeyError(index)
        elements, zeros, nan, posinf, neginf, *exponents = self.block.ints[row].tolist()
        peak, *sums = self.block.floats[row].tolist()
        pairs = tuple(zip(exponents, sums, strict=True))
        return TensorStats(elements, zeros, nan, posinf, neginf, peak / self.scale, pairs, self.scale)

    def __iter__(self) -> Iterator[int]:
        return iter(self.indices)

    def __len__(self) -> int:
        return len(self.indices)

    def __contains__(self, index: object) -> bool:
        return isinstance(index, int) and self.row(index) >= 0

    def row(self, index: int) -> int:
        """Return the row of a tensor, or -1 if it is not in the table."""
        if isinstance(self.indices, range):
            return index - self.indices[0] if index in self.indices else -1
        row = bisect_left(self.indices, index)
        return row if row < len(self.indices) and self.indices[row] == index else -1

    @property
    def overall(self) -> Overall:
        """What all rows have together."""
        if self._overall is None:
            self._overall = Overall.of(*self.block)
        return self._overall

    @property
    def all_finite(self) -> bool:
        """Whether no tensor has any NaN or infinity."""
        return not any(self.overall.counts[NAN:])

    @cached_property
    def at(self) -> Ints:
        """The indices as an array."""
        return np.asarray(self.indices, np.int64)

    def put(self, indices: Sequence[int] | Ints, block: StatsArrays) -> None:
        """Fill the rows of some tensors."""
        self._overall = None
        self.block.put(self.rows(indices), block)

    def rows(self, indices: Iterable[int]) -> Ints:
        """Return the rows of tensors that are all in the table."""
        is_array = isinstance(indices, range | np.ndarray)
        wanted = np.asarray(indices, np.int64) if is_array else np.fromiter(indices, np.int64)
        if not isinstance(self.indices, range):
            return np.searchsorted(self.at, wanted)
        rows: Ints = wanted - (self.indices[0] if self.indices else 0)
        return rows

    def only(self, indices: Iterable[int]) -> "StatsTable":
        """Return the table of the given tensors, without those that are not in this table."""
        kept = [index for index in indices if index in self]
        return StatsTable(kept, self.block.take(self.rows(kept)), self.scale)

    def with_sums(self, which: Sequence[int]) -> "StatsTable":
        """Return the table with these of its sums, in this order."""
        if list(which) == list(range(self.block.floats.shape[1] - SUMS)):
            return self
        ints, floats = ([*range(first), *(first + k for k in which)] for first in (EXPONENTS, SUMS))
        return StatsTable(self.indices, StatsArrays(self.block.ints[:, ints], self.block.floats[:, floats]), self.scale)

    def scaled(self, scale: float) -> "StatsTable":
        """Return the same table with this loss scale."""
        return self if scale == self.scale else StatsTable(self.indices, self.block, scale, self._overall)

    def updated_by(self, other: "StatsTable") -> "StatsTable":
        """Return a table of the same tensors, with the rows of `other` for tensors in both."""
        if self.indices == other.indices:
            return StatsTable(self.indices, other.block, self.scale)
        found = StatsTable(self.indices, StatsArrays(self.block.ints.copy(), self.block.floats.copy()), self.scale)
        few, many = sorted((self, other), key=len)
        shared = np.array([index for index in few if index in many], np.int64)  # `many` may cover all slices of a file
        found.put(shared, other.block.take(other.rows(shared)))
        return found

    @property
    def counts(self) -> Ints:
        """The counts of elements, zeros, NaN, +Inf and -Inf, of shape (tensors, 5)."""
        return self.block.ints[:, :EXPONENTS]

    @property
    def elements(self) -> Ints:
        """The number of elements of each tensor."""
        return self.block.ints[:, ELEMENTS]

    @property
    def zeros(self) -> Ints:
        """The number of zeros of each tensor."""
        return self.block.ints[:, ZEROS]

    @property
    def nan(self) -> Ints:
        """The number of NaN of each tensor."""
        return self.block.ints[:, NAN]

    @property
    def infinite(self) -> Ints:
        """The number of infinities of each tensor."""
        return self.block.ints[:, POSINF] + self.block.ints[:, NEGINF]

    @property
    def nonfinite(self) -> Ints:
        """The number of NaN and infinities of each tensor."""
        return self.nan + self.infinite

    def with_nonfinite(self) -> list[int]:
        """Return the indices of the tensors with any NaN or infinity."""
        return [self.indices[row] for row in np.flatnonzero(self.nonfinite).tolist()]

    @property
    def max_abs(self) -> Floats:
        """The largest |x| of the finite elements of each tensor."""
        return self._unscaled(self.stored_max_abs)

    @property
    def stored_max_abs(self) -> Floats:
        """The largest |x| of the finite elements of each tensor as they are stored, whatever the loss scale."""
        return self.block.floats[:, MAX_ABS]

    def _unscaled(self, values: Floats) -> Floats:
        if self.scale == 1:
            return values
        with np.errstate(over="ignore"):
            return values / self.scale

    def as_read(self, finite: Floats) -> Floats:
        """Return `nan` for each tensor with a NaN, else `inf` for each with an infinity, else its value in `finite`."""
        if self.all_finite:
            return finite
        return np.where(self.nan > 0, math.nan, np.where(self.infinite > 0, math.inf, finite))

    def sums(self, which: int) -> Floats:
        """Return the values of sum number `which` of the stored elements, without their exponents."""
        return self.block.floats[:, SUMS + which]

    def norms(self, which: int, p: float) -> Floats:
        """Return the P-norm of the finite elements of each tensor, from its sum number `which`."""
        exponents, values = self.block.ints[:, EXPONENTS + which], self.block.floats[:, SUMS + which]
        if p in (1.0, 2.0, math.inf) and not (self.overall.scaled and exponents.any()):
            return self._unscaled(np.sqrt(values) if p == 2.0 else values.copy())
        pairs = zip(exponents.tolist(), values.tolist(), strict=True)
        return np.array([norms.norm(pair, p, self.scale) for pair in pairs], np.float64)

    def merge_groups(self, groups: Sequence[Sequence[int]], types: SumKinds) -> "StatsTable":
        """Merge each group of tensors exactly into one row; no group may be empty."""
        found = Groups.of(groups)
        if isinstance(self.indices, range) and found.as_range is not None:
            same = found.as_range == self.indices
        else:
            same = found.members.size == len(self) and bool((found.members == self.at).all())
        taken = self.block if same else self.block.take(self.rows(found.members))
        if found.are_single:
            return StatsTable(range(len(groups)), taken, self.scale, self._overall if same else None)
        first = found.starts[:-1]
        block = StatsArrays.empty(len(groups), len(types))
        np.add.reduceat(taken.ints[:, :EXPONENTS], first, out=block.ints[:, :EXPONENTS])
        np.maximum.reduceat(taken.floats[:, MAX_ABS], first, out=block.floats[:, MAX_ABS])
        for k, p in enumerate(types):
            exponents, values = taken.ints[:, EXPONENTS + k], taken.floats[:, SUMS + k]
            if p != math.inf and not exponents.any():
                np.add.reduceat(values, first, out=block.floats[:, SUMS + k])  # of one or two it is rounded once
                for row, start, stop in found.of_more_than_two:
                    block.floats[row, SUMS + k] = math.fsum(values[start:stop].tolist())
            else:
                sums = norms.totals(exponents, values, found.starts.tolist(), p)
                block.ints[:, EXPONENTS + k], block.floats[:, SUMS + k] = zip(*sums, strict=True)
        return StatsTable(range(len(groups)), block, self.scale, self._of_merged(block) if same else None)

    def _of_merged(self, block: StatsArrays) -> Overall:
        """Return what all rows of a block have together, which is what those have that it was merged from."""
        counts, peak, scaled = self.overall
        return Overall(counts, peak, scaled or bool(block.ints[:, EXPONENTS:].any()))

    def total(self, types: SumKinds) -> TensorStats:
        """Merge all tensors."""
        overall, (ints, floats) = self.overall, self.block
        sums = [
            norms.total_of(ints[:, EXPONENTS + k], floats[:, SUMS + k], p, scaled=overall.scaled)
            for k, p in enumerate(types)
        ]
        return TensorStats(*overall.counts, overall.max_abs / self.scale, tuple(sums), self.scale)


def concatenate(parts: Sequence[tuple[int, StatsTable]]) -> StatsTable:
    """Concatenate the tables of several files, each given with the index in the dump of its first tensor."""
    if len(parts) == 1 and not parts[0][0]:
        return parts[0][1]
    indices = [start + index for start, columns in parts for index in columns]
    return StatsTable(indices, StatsArrays.concatenate([columns.block for _, columns in parts]))
