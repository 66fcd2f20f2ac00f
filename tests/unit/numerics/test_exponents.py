"""Every magnitude has a bin, eight between two powers of two."""

import math
import sys

import numpy as np
import pytest

from gradclip_cli.numerics.exponents import BINS, PER_OCTAVE, at_rank, bins_of, edge, first_bin


@pytest.mark.parametrize("value", [1.0, 1.124, 1.125, 1.99, 2.0, 3e-5, 2.0**-126, 6e-320, 5e-324, sys.float_info.max])
def test_a_magnitude_is_between_the_edges_of_its_bin(value: float) -> None:
    """A bin holds what is at least its edge, and below that of the next one."""
    (k,) = bins_of(np.array([value])).tolist()
    assert 0 <= k < BINS
    assert edge(k) <= value
    assert value < edge(k + 1) or edge(k) == edge(k + 1) == value  # no number lies between two subnormal edges


def test_powers_of_two_begin_bins() -> None:
    """A power of two is the first number of its bin, and bins end where float64 does."""
    exponents = [-1074, -1022, -25, -1, 0, 1, 1023]
    assert bins_of(np.array([2.0**k for k in exponents])).tolist() == [first_bin(k) for k in exponents]
    assert edge(BINS) == math.inf
    assert edge(first_bin(3) + PER_OCTAVE // 2) == 12.0


def test_ranks_are_the_nearest_that_numpy_has() -> None:
    """A rank is that of numpy's inverted distribution function, whatever is empty."""
    counts = [3, 0, 1, 5, 0, 2]
    values = np.repeat(np.arange(6), counts)
    for percent in (0.1, 1, 25, 50, 62, 90, 99.9, 100):
        assert at_rank(counts, percent / 100) == np.percentile(values, percent, method="inverted_cdf")
