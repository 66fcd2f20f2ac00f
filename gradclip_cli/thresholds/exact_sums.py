"""Add float64 numbers so that the result does not depend on the order, the processor or the BLAS library."""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

_MANY = 1 << 12
"""The count from which adding binary digits in numpy is faster than `math.fsum`; both return the same bits."""

WIDE = 64
"""The number of columns from which adding rows is faster than adding columns one by one."""

_DIGITS, _AT_ONCE = 32, 1 << 15
"""The binary digits of each number that are added at a time, and how many numbers: the sum of such integers is below 2^53."""

_DENSE = 3
"""So many digits of 32 bits are taken of all numbers, since few are used up before."""

Terms = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Computes a number from 0 to 1 from each of some numbers."""


def _as_they_are(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values


def exact_sum(values: NDArray[np.float64], terms: Terms = _as_they_are) -> float:
    """Return the correctly rounded sum of a vector of numbers from 0 to 1, or of `terms` of them, as `math.fsum` does.

    >>> exact_sum(np.array([1.0, 2.0**-60, 2.0**-60])) == 1.0
    True
    """
    return math.fsum(terms(values).tolist()) if len(values) < _MANY else _sum_of_digits(values, terms)


def column_sums(ordered: NDArray[np.float64], *, wide: bool) -> NDArray[np.float64]:
    """Return the sum of each column of numbers from 0 to 1, in an order fixed by their values: exact or, if `wide`, compensated."""
    rows, columns = ordered.shape
    if wide:
        return _compensated(ordered)
    sums = map(math.fsum, ordered.T.tolist()) if rows < _MANY else map(exact_sum, ordered.T)
    return np.fromiter(sums, np.float64, columns)


def group_norms(norms: NDArray[np.float64], starts: Sequence[int], p: float = 2.0) -> NDArray[np.float64]:
    """Return the P-norm of each group of adjacent columns (rows × groups); a group is the columns from a start to the next.

    A norm above float64 is inf. An infinite norm makes its group's norm infinite; otherwise, a NaN makes it NaN.
    """
    if not starts:
        return np.zeros((len(norms), 0))
    tops = np.fmax.reduceat(norms, starts, axis=1)
    with np.errstate(all="ignore"):
        found = np.maximum.reduceat(norms, starts, axis=1) if math.isinf(p) else _norm_of_norms(norms, starts, p, tops)
    return np.where(np.isinf(tops), np.inf, found)


def _norm_of_norms(
    norms: NDArray[np.float64], starts: Sequence[int], p: float, tops: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return (Σ n^P)^(1/P) of each group, with norms scaled by a power of two so that no power overflows."""
    _, powers = np.frexp(np.where(np.isfinite(tops), tops, 0.0))
    bounds = list(pairwise([*starts, norms.shape[1]]))
    sizes = [b - a for a, b in bounds]
    large = [(k, a, b) for k, (a, b) in enumerate(bounds) if b - a > 2]
    sums = np.empty(tops.shape)
    each = max(1, _AT_ONCE // norms.shape[1])
    for start in range(0, len(norms), each):
        scaled = np.ldexp(norms[start : start + each], -np.repeat(powers[start : start + each], sizes, axis=1))
        raised = np.square(scaled) if p == 2.0 else scaled**p
        found = sums[start : start + each]
        np.add.reduceat(raised, starts, axis=1, out=found)  # of one or two it is rounded once
        for k, a, b in large:
            found[:, k] = [math.fsum(row) for row in raised[:, a:b].tolist()]
    return np.ldexp(np.sqrt(sums) if p == 2.0 else sums ** (1 / p), powers)


def _compensated(ordered: NDArray[np.float64]) -> NDArray[np.float64]:
    """Add rows one by one, and add up the rounding errors (Knuth's TwoSum); the same order always gives the same bits."""
    total, lost = np.zeros(ordered.shape[1]), np.zeros(ordered.shape[1])
    for row in ordered:
        added = total + row
        part = added - total
        lost += (total - (added - part)) + (row - part)
        total = added
    return total + lost


def _sum_of_digits(values: NDArray[np.float64], terms: Terms) -> float:
    """Add the leading digits of all numbers as integers, then the next digits, until none are left."""
    total, places = 0, 0
    for start in range(0, len(values), _AT_ONCE):
        sums = _digit_sums(terms(values[start : start + _AT_ONCE]))
        total <<= _DIGITS * max(0, len(sums) - places)
        places = max(places, len(sums))
        total += sum(one << (_DIGITS * (places - k)) for k, one in enumerate(sums, 1))
    return total / (1 << (_DIGITS * places))


def _digit_sums(values: NDArray[np.float64]) -> list[int]:
    """Return the sums of the first digits of some numbers, of the next ones, and so on; float64 holds each sum exactly."""
    found, rest = list[int](), values
    while rest.any():
        rest = (rest if len(found) < _DENSE else rest[rest > 0]) * 2.0**_DIGITS
        digits = np.floor(rest)
        found.append(int(digits.sum()))
        np.subtract(rest, digits, out=rest)
    return found
