"""Statistics of many tensors, a column for each figure: a million rows would take half a gigabyte."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, chain, pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.numerics import norms
from gradclip_cli.numerics.norms import Power, Sum, Sums
from gradclip_cli.numerics.statistics import TensorStats

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_COUNTS = 5
"""Columns of whole numbers before the exponents: elements, zeros, nan, posinf, neginf."""


class StatsArrays(NamedTuple):
    """Rows of figures: `ints` are counts and the exponents of sums, `floats` are max_abs and the sums."""

    ints: Ints
    floats: Floats

    @classmethod
    def empty(cls, rows: int, sums: int) -> "StatsArrays":
        """Return rows of zeros, for so many sums taken."""
        return cls(np.zeros((rows, _COUNTS + sums), np.int64), np.zeros((rows, 1 + sums)))

    @classmethod
    def of(cls, rows: Sequence[TensorStats], sums: int) -> "StatsArrays":
        """Return the rows of some statistics."""
        block = cls.empty(len(rows), sums)
        for k, one in enumerate(rows):
            block.ints[k] = (*one[:_COUNTS], *(exponent for exponent, _ in one.powers))
            block.floats[k] = (one.max_abs, *(value for _, value in one.powers))
        return block

    def take(self, rows: "Sequence[int] | Ints") -> "StatsArrays":
        """Return some of the rows."""
        return StatsArrays(self.ints[rows], self.floats[rows])


class StatsTable(Mapping[int, TensorStats]):
    """The statistics of tensors by their index in a dump, ascending; a row is made when it is asked for."""

    def __init__(self, indices: Sequence[int], block: StatsArrays) -> None:
        first, size = indices[0] if indices else 0, len(indices)
        whole = not size or indices[-1] - first == size - 1
        self.indices: Sequence[int] = range(first, first + size) if whole else indices
        self._rows = None if whole else {index: row for row, index in enumerate(indices)}
        self.block = block

    @classmethod
    def of(cls, rows: Mapping[int, TensorStats], sums: int) -> "StatsTable":
        """Return the columns of statistics by index."""
        return cls(sorted(rows), StatsArrays.of([rows[index] for index in sorted(rows)], sums))

    def __getitem__(self, index: int) -> TensorStats:
        row = self.row(index)
        if row < 0:
            raise KeyError(index)
        ints, floats = self.block.ints[row].tolist(), self.block.floats[row].tolist()
        elements, zeros, nan, posinf, neginf, *exponents = ints
        peak, *sums = floats
        return TensorStats(elements, zeros, nan, posinf, neginf, peak, tuple(zip(exponents, sums, strict=True)))

    def __iter__(self) -> Iterator[int]:
        return iter(self.indices)

    def __len__(self) -> int:
        return len(self.indices)

    def __contains__(self, index: object) -> bool:
        return index in (self.indices if self._rows is None else self._rows)

    def row(self, index: int) -> int:
        """Return the row of a tensor, -1 if it is not here."""
        if self._rows is not None:
            return self._rows.get(index, -1)
        return index - self.indices[0] if index in self.indices else -1

    def put(self, indices: Sequence[int], block: StatsArrays) -> None:
        """Fill the rows of some tensors."""
        rows = self._places(indices)
        self.block.ints[rows], self.block.floats[rows] = block

    def _places(self, indices: Iterable[int]) -> Ints:
        """Return the rows of tensors that are here."""
        if self._rows is not None:
            return np.fromiter(map(self._rows.__getitem__, indices), np.int64)
        rows: Ints = np.fromiter(indices, np.int64) - (self.indices[0] if self.indices else 0)
        return rows

    def only(self, indices: Iterable[int]) -> "StatsTable":
        """Return the columns of those of some tensors that are here."""
        kept = [index for index in indices if index in self]
        return StatsTable(kept, self.block.take(self._places(kept)))

    def updated_by(self, other: "StatsTable") -> "StatsTable":
        """Return the same tensors, with the rows of those that are in `other` too."""
        found = StatsTable(self.indices, StatsArrays(self.block.ints.copy(), self.block.floats.copy()))
        # `other` may be of all the steps in a file, or a few of many tensors.
        few, many = sorted((self, other), key=len)
        shared = [index for index in few if index in many]
        found.put(shared, other.block.take(other._places(shared)))  # noqa: SLF001 (a table of its own kind)
        return found

    @property
    def counts(self) -> Ints:
        """Elements, zeros, nan, posinf and neginf of each."""
        return self.block.ints[:, :_COUNTS]

    @property
    def elements(self) -> Ints:
        """How many elements each has."""
        return self.block.ints[:, 0]

    @property
    def zeros(self) -> Ints:
        """How many of them are zero."""
        return self.block.ints[:, 1]

    @property
    def nan(self) -> Ints:
        """How many of them are NaN."""
        return self.block.ints[:, 2]

    @property
    def infinite(self) -> Ints:
        """How many of them are infinite."""
        return self.block.ints[:, 3] + self.block.ints[:, 4]

    @property
    def nonfinite(self) -> Ints:
        """How many of them are either."""
        return self.nan + self.infinite

    def with_nonfinite(self) -> list[int]:
        """Return the tensors in which anything is NaN or infinite."""
        return [self.indices[row] for row in np.flatnonzero(self.nonfinite).tolist()]

    @property
    def max_abs(self) -> Floats:
        """The largest |x| of the finite ones."""
        return self.block.floats[:, 0]

    def as_read(self, finite: Floats) -> Floats:
        """Return `nan` where a NaN is, else `inf` where an infinity is, else `finite`."""
        return np.where(self.nan > 0, math.nan, np.where(self.infinite > 0, math.inf, finite))

    def norms(self, which: int, p: float) -> Floats:
        """Return the norm of each that belongs to a sum, the one `which` of those that were taken, over its finite elements."""
        exponents, values = self.block.ints[:, _COUNTS + which], self.block.floats[:, 1 + which]
        if p == 2.0 and not exponents.any():
            return np.sqrt(values)
        pairs = zip(exponents.tolist(), values.tolist(), strict=True)
        return np.array([norms.norm(pair, p) for pair in pairs], np.float64)

    def merge_groups(self, groups: Sequence[Sequence[int]], types: Sums) -> "StatsTable":
        """Return the statistics of groups of tensors, none of them empty, merged exactly."""
        sizes = list(map(len, groups))
        taken = self.block.take(self._places(chain.from_iterable(groups)))
        if max(sizes, default=1) == 1:
            return StatsTable(range(len(groups)), taken)
        starts = list(accumulate(sizes, initial=0))
        block = StatsArrays.empty(len(groups), len(types))
        block.ints[:, :_COUNTS] = np.add.reduceat(taken.ints[:, :_COUNTS], starts[:-1])
        block.floats[:, 0] = np.maximum.reduceat(taken.floats[:, 0], starts[:-1])
        for k, p in enumerate(types):
            sums = _added(taken.ints[:, _COUNTS + k], taken.floats[:, 1 + k], starts, p)
            block.ints[:, _COUNTS + k], block.floats[:, 1 + k] = zip(*sums, strict=True)
        return StatsTable(range(len(groups)), block)

    def total(self, types: Sums) -> TensorStats:
        """Return the statistics of all of them together."""
        return (
            self.merge_groups([self.indices], types)[0]
            if self.indices
            else TensorStats(powers=tuple((0, 0.0) for _ in types))
        )


def _added(exponents: Ints, values: Floats, starts: Sequence[int], p: Sum) -> list[Power]:
    """Add sums of powers from each start to the next; the fast way where no sum was scaled."""
    if p != math.inf and not exponents.any():
        plain = values.tolist()
        return [(0, math.fsum(plain[a:b])) for a, b in pairwise(starts)]
    pairs = list(zip(exponents.tolist(), values.tolist(), strict=True))
    return [norms.total(pairs[a:b], p) for a, b in pairwise(starts)]


def concatenate(parts: Sequence[tuple[int, StatsTable]]) -> StatsTable:
    """Put the columns of several files together; of each, the indices are counted from where it starts in the dump."""
    if len(parts) == 1 and not parts[0][0]:
        return parts[0][1]
    indices = [start + index for start, columns in parts for index in columns]
    blocks = [columns.block for _, columns in parts]
    ints, floats = (np.concatenate(arrays) for arrays in zip(*blocks, strict=True))
    return StatsTable(indices, StatsArrays(ints, floats))
