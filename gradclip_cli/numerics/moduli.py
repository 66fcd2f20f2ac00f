"""Take the moduli |z| of complex numbers and their squares, without overflow and with the same bits on every processor.

The system's `hypot` differs between machines. Here |z| is √(re² + im²) in float64. Where a square could leave the range of
float64, parts are first scaled by a power of two, which changes no digit.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.numerics.dtypes import DType, Raw, decode
from gradclip_cli.numerics.norms import BLOCK, exponents_outside
from gradclip_cli.numerics.sums import sum_rows
from gradclip_cli.numerics.workspace import Buffer, Workspace

Wide = NDArray[np.float64]

CHUNK = 4 * BLOCK
"""The number of elements worked on at once: few enough for all intermediate arrays to stay in the cache of a core."""


class Parts(NamedTuple):
    """The real and imaginary parts of complex numbers, float64 arrays of one shape.

    `wide` says that their squares may leave the range of float64.
    """

    real: Wide
    imaginary: Wide
    wide: bool


class Squares(NamedTuple):
    """|z|² = values · 4^exponents of rows of elements, and the largest |z| of each row; all elements are finite."""

    exponents: NDArray[np.int64]  # (rows,)
    values: Wide  # (rows, width)
    zeros: NDArray[np.int64]  # (rows,): how many elements are 0

    @property
    def peaks(self) -> Wide:
        """The largest |z| of each row; infinite if it is above the range of float64."""
        found: Wide = np.sqrt(self.values.max(axis=1, initial=0))
        with np.errstate(over="ignore"):
            return np.ldexp(found, self.exponents) if self.exponents.any() else found

    def sums(self, work: Workspace) -> Wide:
        """Return the sum of the values of each row."""
        return sum_rows(self.values, work)


def parts_of(raw: Raw, dtype: DType, real: Buffer, imaginary: Buffer, work: Workspace) -> Parts:
    """Decode stored complex numbers into memory of two buffers; both arrays are of shape (elements,)."""
    pairs = decode(raw, dtype.part, work).reshape(-1, 2)
    found = Parts(real.take(len(pairs), np.float64), imaginary.take(len(pairs), np.float64), dtype.itemsize > 8)
    with np.errstate(invalid="ignore"):  # a signalling NaN is treated as any other
        np.copyto(found.real, pairs[:, 0])
        np.copyto(found.imaginary, pairs[:, 1])
    return found


def is_infinite(parts: Parts) -> NDArray[np.bool_]:
    """Tell which elements are infinite: those with an infinite part, even if the other is NaN, as in C's `cabs`."""
    return np.isinf(parts.real) | np.isinf(parts.imaginary)


def is_nan(parts: Parts) -> NDArray[np.bool_]:
    """Tell which elements are NaN: those with a part that is NaN and none that is infinite."""
    return (np.isnan(parts.real) | np.isnan(parts.imaginary)) & ~is_infinite(parts)


def are_finite(parts: Parts) -> bool:
    """Return whether all parts are finite."""
    return all(
        math.isfinite(part.min(initial=0)) and math.isfinite(part.max(initial=0))
        for part in (parts.real, parts.imaginary)
    )


def squares(parts: Parts, work: Workspace) -> Squares:
    """Return |z|² of rows of finite elements; the parts are of shape (rows, width).

    Each row is scaled by the largest part in it if squares could otherwise leave the range of float64.
    """
    if not parts.wide:
        values = _squares(parts, work)
        return Squares(np.zeros(len(values), np.int64), values, _zeros(values))
    larger = _larger(parts, work)
    zeros = _zeros(larger)
    exponents = exponents_outside(larger.max(axis=1, initial=0))
    return Squares(exponents, _squares(scaled(parts, exponents[:, None]), work), zeros)


def moduli(parts: Parts, work: Workspace) -> Wide:
    """Return |z| of each element: infinite if that is above the range of float64, NaN or infinite if a part is not finite."""
    with np.errstate(over="ignore", invalid="ignore"):
        exponents = exponents_outside(_larger(parts, work)) if parts.wide else None
        if exponents is None or not exponents.any():
            found = _squares(parts, work)
            return np.sqrt(found, out=found)
        found = _squares(scaled(parts, exponents), work)
        return np.ldexp(np.sqrt(found, out=found), exponents, out=found)


def scaled(parts: Parts, exponents: NDArray[np.int64]) -> Parts:
    """Divide parts by powers of two."""
    if not exponents.any():
        return parts
    return parts._replace(real=np.ldexp(parts.real, -exponents), imaginary=np.ldexp(parts.imaginary, -exponents))


def _squares(parts: Parts, work: Workspace) -> Wide:
    """Return re² + im², each operation rounded once, in `work.squares`."""
    shape, size = parts.real.shape, parts.real.size
    found = np.multiply(parts.real, parts.real, out=work.squares.take(size, np.float64).reshape(shape))
    other = work.part_squares.take(size, np.float64).reshape(shape)
    return np.add(found, np.multiply(parts.imaginary, parts.imaginary, out=other), out=found)


def _larger(parts: Parts, work: Workspace) -> Wide:
    """Return the larger of |re| and |im|, in `work.larger`."""
    shape, size = parts.real.shape, parts.real.size
    found = np.abs(parts.real, out=work.larger.take(size, np.float64).reshape(shape))
    other = work.part_squares.take(size, np.float64).reshape(shape)
    return np.maximum(found, np.abs(parts.imaginary, out=other), out=found)


def _zeros(sizes: Wide) -> NDArray[np.int64]:
    """Count the zeros of each row of numbers without a sign; looking for any is much faster than counting."""
    if sizes.size and sizes.min() > 0:
        return np.zeros(len(sizes), np.int64)
    found: NDArray[np.int64] = np.count_nonzero(sizes == 0, axis=1)
    return found
