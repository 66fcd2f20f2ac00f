"""Put magnitudes into bins of equal ratio: eight between two powers of two, whatever the dtype.

Bin k holds |x| from `edge(k)` up to, but without, `edge(k + 1)`; all positive float64, subnormals too, have a bin.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

PER_OCTAVE = 8
"""The number of bins between two powers of two; a bin is at most one part in `PER_OCTAVE` wide."""

_LEAST, _MOST = -1074, 1023
"""The exponents of the smallest and of the largest float64."""

BINS = (_MOST + 1 - _LEAST) * PER_OCTAVE

Counts = NDArray[np.int64]


def first_bin(exponent: int) -> int:
    """Return the bin that begins at 2^exponent."""
    return (exponent - _LEAST) * PER_OCTAVE


def edge(k: int) -> float:
    """Return where bin k begins.

    >>> edge(first_bin(-3)), edge(first_bin(0) + 4)
    (0.125, 1.5)
    """
    octave, part = divmod(k, PER_OCTAVE)
    try:
        return math.ldexp(PER_OCTAVE + part, octave + _LEAST - 3)
    except OverflowError:
        return math.inf


def bins_of(values: NDArray[np.float64]) -> Counts:
    """Return the bin of each of some finite numbers above 0."""
    mantissas, exponents = np.frexp(values)  # a mantissa is at least 1/2 and below 1
    parts = (mantissas * (2 * PER_OCTAVE)).astype(np.int64) - PER_OCTAVE
    found: Counts = (exponents.astype(np.int64) - 1 - _LEAST) * PER_OCTAVE + parts
    return found


def at_rank(counts: Sequence[int] | Counts, share: float) -> int:
    """Return the place in ascending `counts` of the element below which, or at which, a share of all of them lies.

    It is the nearest rank: of n elements, number ceil(share · n), at least the first. There must be an element.

    >>> at_rank([1, 0, 3], 0.25), at_rank([1, 0, 3], 0.5)
    (0, 2)
    """
    below = np.cumsum(counts)
    rank = max(1, math.ceil(share * int(below[-1])))
    return int(np.searchsorted(below, rank))
