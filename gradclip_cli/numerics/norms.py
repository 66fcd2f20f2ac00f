"""Sum powers |x|^P in float64 without overflow, with the same bits for every order of the blocks.

A sum is a pair `(exponent, value)` with Σ|x|^P = value · 2^(P·exponent). The exponent is 0 unless the powers would leave the
range of float64: then the elements are first scaled by a power of two.
"""

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.numerics.sums import sum_powers, sum_products
from gradclip_cli.numerics.workspace import Workspace

BLOCK = 8192
"""The number of consecutive elements in one sum, however many are read at once; all pieces but the last are whole blocks."""

ScaledSum = tuple[int, float]
"""The exponent and the value of a sum value · 2^(P·exponent)."""


class ClippedSum(NamedTuple):
    """A sum over elements limited to ±c: Σ min(|x|, c) · |x|, or Σ min(|x|, c)² if it is `squared`.

    The first is value · 2^exponent, the second value · 2^(2·exponent), like other sums of squares.
    """

    limit: float
    squared: bool

    @property
    def degree(self) -> float:
        """The factor P of the exponent."""
        return 2.0 if self.squared else 1.0

    def stored(self, scale: float) -> "ClippedSum":
        """Return the same kind of sum for elements that were multiplied by a loss scale before they were stored."""
        return self._replace(limit=stored_limit(self.limit, scale))


def stored_limit(limit: float, scale: float) -> float:
    """Return the limit on stored elements that limits them to ±`limit` once they are divided by a loss scale.

    It is limit · scale, moved by a step of float64 where need be: the largest number whose quotient is at most `limit`, so that
    an element is above one limit if and only if its quotient is above the other.

    >>> stored_limit(0.5, 1024.0), stored_limit(0.1, 3.0)
    (512.0, 0.3)
    """
    found = limit * scale
    if scale == 1 or not math.isfinite(limit):
        return found
    if found / scale > limit:
        found = math.nextafter(found, 0.0)
    above = math.nextafter(found, math.inf)
    return above if above / scale <= limit else found


SumKind = float | ClippedSum
"""What to sum: |x|^P, given as P, or what clipping leaves of each element."""

SumKinds = tuple[SumKind, ...]


def stored_sums(sums: SumKinds, scale: float) -> SumKinds:
    """Return kinds of sums of elements as they are stored, multiplied by a loss scale, for those of the elements themselves."""
    return tuple(kind.stored(scale) if isinstance(kind, ClippedSum) else kind for kind in sums)


_SAFE = 480
"""Squares of numbers between 2^-480 and 2^480, and sums of 8,192 of them, are in the range of float64."""


def block_sums(
    rows: NDArray[Any], p: SumKind, peaks: NDArray[Any] | None, work: Workspace
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the exponents and values of Σx^P for each row, both of shape (rows,); for P = inf the values are the peaks.

    The rows are float32 or float64, and not negative unless P is 2. `peaks` holds the largest |x| of each row, all finite. It
    may be None if P is 1 or 2 and all elements are in the range of float32.
    """
    exponents = np.zeros(len(rows), np.int64)
    if peaks is None:
        return exponents, sum_powers(rows, 2.0 if p == 2.0 else 1.0, work)
    if isinstance(p, ClippedSum):
        return _clipped(rows, p, peaks, work)
    if p == math.inf:
        return exponents, peaks.astype(np.float64)
    _, scales = np.frexp(peaks)
    outside = (np.abs(scales) > _SAFE) & (peaks > 0) if p in (1.0, 2.0) else peaks > 0
    if not outside.any():
        return exponents, sum_powers(rows, p, work)
    exponents[outside] = scales[outside]
    return exponents, sum_powers(_scaled(rows, exponents, work), p, work)


def _scaled(rows: NDArray[Any], exponents: NDArray[np.int64], work: Workspace) -> NDArray[np.float64]:
    """Return rows · 2^-exponents, in `work.scaled`."""
    found = work.scaled.take(rows.size, np.float64).reshape(rows.shape)
    if exponents.min() <= -1024:  # that power of two is above the range of float64
        np.ldexp(rows, -exponents[:, None], out=found, dtype=np.float64)
    else:  # even by a subnormal power of two this rounds like `ldexp`, and is twenty times as fast
        np.multiply(rows, np.ldexp(1.0, -exponents)[:, None], out=found, dtype=np.float64)
    return found


def _clipped(
    rows: NDArray[Any], kind: ClippedSum, peaks: NDArray[Any], work: Workspace
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Scale the elements before and after the limit by different powers of two: 1e200 may be limited to 1e-200."""
    before, after = exponents_outside(peaks), exponents_outside(np.minimum(peaks, kind.limit))
    limited = work.limited.take(rows.size, np.float64).reshape(rows.shape)
    np.clip(rows, -kind.limit, kind.limit, out=limited)
    if after.any():
        np.ldexp(limited, -after[:, None], out=limited)
    if kind.squared:
        return after, sum_products(limited, limited, work)
    whole = _scaled(rows, before, work) if before.any() else rows
    return before + after, sum_products(whole, limited, work)


def exponents_outside(peaks: NDArray[Any]) -> NDArray[np.int64]:
    """Return the exponents of numbers whose squares may leave the range of float64, and 0 for all others."""
    _, scales = np.frexp(peaks)
    found: NDArray[np.int64] = np.where(np.abs(scales) > _SAFE, scales, 0).astype(np.int64)
    return found


def total(parts: Iterable[ScaledSum], p: SumKind) -> ScaledSum:
    """Add sums exactly and round once, so that their order changes no bit."""
    kept = [part for part in parts if part[1]]
    if p == math.inf:
        return 0, max((value for _, value in kept), default=0.0)
    top = max((exponent for exponent, _ in kept), default=0)
    if all(exponent == top for exponent, _ in kept):
        return top, math.fsum(value for _, value in kept)
    degree = p.degree if isinstance(p, ClippedSum) else p
    return top, math.fsum(value * 2.0 ** (degree * (exponent - top)) for exponent, value in kept)


def total_blocks(
    exponents: Sequence[NDArray[np.int64]], values: Sequence[NDArray[np.float64]], p: SumKind
) -> ScaledSum:
    """Add the sums of the blocks of one tensor; this is fast if no block was scaled."""
    if p == math.inf or any(part.any() for part in exponents):
        pairs = zip(np.concatenate(exponents).tolist(), np.concatenate(values).tolist(), strict=True)
        return total(pairs, p)
    return 0, math.fsum(value for part in values for value in part.tolist())


def norm(scaled: ScaledSum, p: float, scale: float = 1.0) -> float:
    """Return (Σ|x|^P)^(1/P) / scale, or inf if that is above the range of float64.

    >>> norm((0, 25.0), 2.0), norm((600, 25.0), 2.0) == 5 * 2.0 ** 600, norm((0, 7.0), 1.0, scale=2.0)
    (5.0, True, 3.5)
    """
    exponent, value = scaled
    root = math.sqrt(value) if p == 2.0 else value if p in (1.0, math.inf) else value ** (1.0 / p)
    if not exponent:
        return root / scale
    mantissa, power = math.frexp(scale)
    try:
        return math.ldexp(root / (2 * mantissa), exponent - power + 1)
    except OverflowError:
        return math.inf


def totals(
    exponents: NDArray[np.int64], values: NDArray[np.float64], starts: Sequence[int], p: SumKind
) -> list[ScaledSum]:
    """Add the scaled sums from each start to the next; this is fast if none of them was scaled."""
    if p != math.inf and not exponents.any():
        plain = values.tolist()
        return [(0, math.fsum(plain[a:b])) for a, b in pairwise(starts)]
    pairs = list(zip(exponents.tolist(), values.tolist(), strict=True))
    return [total(pairs[a:b], p) for a, b in pairwise(starts)]


def total_of(exponents: NDArray[np.int64], values: NDArray[np.float64], p: SumKind, *, scaled: bool) -> ScaledSum:
    """Add all scaled sums; this is fast if none of them is `scaled`."""
    if scaled or p == math.inf:
        return totals(exponents, values, [0, len(values)], p)[0]
    return 0, math.fsum(values.tolist())
