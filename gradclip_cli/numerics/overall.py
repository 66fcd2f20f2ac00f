"""Summarize the statistics of all tensors of a dump: what many questions ask of them together."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Columns of the whole numbers of statistics: counts of elements, and from `EXPONENTS` on the exponents of sums.
ELEMENTS, ZEROS, NAN, POSINF, NEGINF, EXPONENTS = range(6)

# Columns of their floats: the largest |x|, and from `SUMS` on the values of sums.
MAX_ABS, SUMS = range(2)


class Overall(NamedTuple):
    """The sums of the counts of all tensors, and the largest |x|, as stored; `scaled` says whether any sum has an exponent.

    numpy needs 3 µs for each of these, however few tensors there are, so they are found once.
    """

    counts: tuple[int, int, int, int, int]  # elements, zeros, nan, posinf, neginf
    max_abs: float
    scaled: bool

    @classmethod
    def of(cls, ints: Ints, floats: Floats) -> "Overall":
        """Summarize the rows of a block."""
        return cls.of_each(ints[None], floats[None])[0]

    @classmethod
    def of_each(cls, ints: Ints, floats: Floats) -> list["Overall"]:
        """Summarize several blocks of the same number of rows, which are one along axis 0 each."""
        counts = ints[:, :, :EXPONENTS].sum(axis=1).tolist()
        peaks = floats[:, :, MAX_ABS].max(axis=1, initial=0.0).tolist()
        scaled: list[bool] = np.any(ints[:, :, EXPONENTS:], axis=(1, 2)).tolist()
        return [cls((*one,), peak, some) for one, peak, some in zip(counts, peaks, scaled, strict=True)]
