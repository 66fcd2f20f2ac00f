"""Hold the statistics of tensors as rows of two arrays: counts and exponents, and sums."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.numerics.overall import EXPONENTS, MAX_ABS, NAN, NEGINF, SUMS, ZEROS
from gradclip_cli.numerics.statistics import PieceStats, TensorStats

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class StatsArrays(NamedTuple):
    """The statistics of tensors, one row each.

    `ints` (tensors, 5 + sums) holds counts and the exponents of sums, `floats` (tensors, 1 + sums) max_abs and their values.
    """

    ints: Ints
    floats: Floats

    @classmethod
    def empty(cls, rows: int, sums: int) -> "StatsArrays":
        """Return `rows` rows of zeros for `sums` kinds of sums."""
        return cls(np.zeros((rows, EXPONENTS + sums), np.int64), np.zeros((rows, SUMS + sums)))

    @classmethod
    def of(cls, rows: Sequence[TensorStats], sums: int) -> "StatsArrays":
        """Return a row for each of the given statistics."""
        block = cls.empty(len(rows), sums)
        for k, one in enumerate(rows):
            block.ints[k] = (*one[:EXPONENTS], *(exponent for exponent, _ in one.sums))
            block.floats[k] = (one.max_abs, *(value for _, value in one.sums))
        return block

    @classmethod
    def concatenate(cls, parts: Sequence["StatsArrays"]) -> "StatsArrays":
        """Return the rows of all parts, one after the other."""
        return parts[0] if len(parts) == 1 else cls(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))

    @property
    def zeros(self) -> int:
        """The number of zeros in all rows."""
        return int(self.ints[:, ZEROS].sum())

    @property
    def all_finite(self) -> bool:
        """Whether no row has any NaN or infinity."""
        return not self.ints[:, NAN : NEGINF + 1].any()

    def as_piece(self) -> PieceStats:
        """Return the rows as the blocks of one piece of a tensor."""
        elements, zeros, nan, posinf, neginf = self.ints[:, :EXPONENTS].sum(axis=0).tolist()
        exponents, sums = self.ints[:, EXPONENTS:].T, self.floats[:, SUMS:].T
        counts = elements, zeros, nan, posinf, neginf
        return PieceStats(counts, float(self.floats[:, MAX_ABS].max(initial=0)), tuple(exponents), tuple(sums))

    def take(self, rows: "Sequence[int] | Ints") -> "StatsArrays":
        """Return some of the rows."""
        return StatsArrays(self.ints[rows], self.floats[rows])

    def put(self, rows: "Sequence[int] | NDArray[Any] | slice", block: "StatsArrays") -> None:
        """Fill some of the rows."""
        self.ints[rows], self.floats[rows] = block
