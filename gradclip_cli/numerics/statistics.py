"""Merge the statistics of a tensor exactly from those of its pieces: their order changes no bit."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.numerics import norms
from gradclip_cli.numerics.norms import ScaledSum, SumKinds


class TensorStats(NamedTuple):
    """Statistics of one tensor, or of several as one.

    `zeros`, `nan`, `posinf` and `neginf` count elements; `max_abs` and `sums` (one for each kind) are of the finite elements.
    `max_abs` and norms are divided by `scale`, the loss scale of the elements; `sums` are of the elements as stored.
    """

    elements: int = 0
    zeros: int = 0
    nan: int = 0
    posinf: int = 0
    neginf: int = 0
    max_abs: float = 0.0
    sums: tuple[ScaledSum, ...] = ()
    scale: float = 1.0

    def norm(self, which: int, p: float) -> float:
        """Return the P-norm of the finite elements from sum number `which`, or inf if it is above the range of float64."""
        return norms.norm(self.sums[which], p, self.scale)

    @property
    def nonfinite(self) -> int:
        """The number of elements that are NaN or infinite."""
        return self.nan + self.posinf + self.neginf

    def as_read(self, finite: float) -> float:
        """Return `nan` if any element is NaN, else `inf` if any is infinite, else `finite`."""
        return math.nan if self.nan else math.inf if self.posinf or self.neginf else finite


class PieceStats(NamedTuple):
    """Statistics of a piece of one tensor; `exponents` and `sums` hold an array of shape (blocks,) for each kind of sum."""

    counts: tuple[int, int, int, int, int]  # elements, zeros, nan, posinf, neginf
    max_abs: float
    exponents: tuple[NDArray[np.int64], ...]
    sums: tuple[NDArray[np.float64], ...]

    @property
    def zeros(self) -> int:
        """The number of zeros."""
        return self.counts[1]

    @property
    def all_finite(self) -> bool:
        """Whether no element is NaN or infinite."""
        return not any(self.counts[2:])


def merge(pieces: Sequence[PieceStats], types: SumKinds) -> TensorStats:
    """Merge the pieces of one tensor, given in any order."""
    elements, zeros, nan, posinf, neginf = (
        sum(column) for column in zip(*(piece.counts for piece in pieces), strict=True)
    )
    sums = tuple(
        norms.total_blocks([piece.exponents[k] for piece in pieces], [piece.sums[k] for piece in pieces], p)
        for k, p in enumerate(types)
    )
    return TensorStats(elements, zeros, nan, posinf, neginf, max(piece.max_abs for piece in pieces), sums)
