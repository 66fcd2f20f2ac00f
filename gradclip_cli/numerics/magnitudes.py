"""Count elements by the exponent of their magnitude: exponent e is 2^e <= |x| < 2^(e+1). Zeros, and NaN and infinities, stand apart.

Where elements are real and a loss scale is a power of two, only bits are looked at; else |x| is divided in float64.
"""

import math
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.numerics import moduli
from gradclip_cli.numerics.dtypes import DType, Raw, decode, widen, words_of
from gradclip_cli.numerics.narrow_floats import index_of, values_of
from gradclip_cli.numerics.workspace import Workspace

Counts = NDArray[np.int64]

_LEAST = -1074
"""The exponent of the smallest float64."""

_CHUNK = 64 << 10
_MOST_COUNTS = 1 << 20
"""The elements counted at once, and the most counts that they are put into."""

_ZERO, _NONFINITE, _FIRST = range(3)
"""Columns of counts: zeros, what is not finite, and from here on a column for each exponent."""


class MagnitudeCounts(NamedTuple):
    """How many elements of each row are in which column: zeros, NaN and infinities, and exponents from `least` on."""

    least: int
    counts: Counts

    @classmethod
    def none(cls, rows: int) -> "MagnitudeCounts":
        """Return counts of nothing."""
        return cls(0, np.zeros((rows, _FIRST), np.int64))

    @property
    def zeros(self) -> Counts:
        """The zeros of each row."""
        return self.counts[:, _ZERO]

    @property
    def nonfinite(self) -> Counts:
        """What is NaN or infinite in each row."""
        return self.counts[:, _NONFINITE]

    @property
    def exponents(self) -> Counts:
        """The counts of each row by exponent, from `least` on."""
        return self.counts[:, _FIRST:]

    def trimmed(self) -> "MagnitudeCounts":
        """Return the counts without the exponents at both ends that no element has."""
        used = np.flatnonzero(self.exponents.any(axis=0))
        if not used.size:
            return MagnitudeCounts(0, self.counts[:, :_FIRST])
        first, last = int(used[0]), int(used[-1])
        columns = np.r_[:_FIRST, _FIRST + first : _FIRST + last + 1]
        return MagnitudeCounts(self.least + first, self.counts[:, columns])

    def over(self, least: int, stop: int) -> "MagnitudeCounts":
        """Return the counts with a column for each exponent from `least` up to, but without, `stop`, among which are all of these."""
        width = self.exponents.shape[1]
        if width == stop - least and (self.least == least or not width):
            return self
        counts = np.zeros((len(self.counts), _FIRST + stop - least), np.int64)
        counts[:, :_FIRST] = self.counts[:, :_FIRST]
        if width:
            counts[:, _FIRST + self.least - least :][:, :width] = self.exponents
        return MagnitudeCounts(least, counts)

    def added(self, rows: Any, other: "MagnitudeCounts") -> "MagnitudeCounts":
        """Return the counts with those of another added to these rows, each of which is named once; these themselves may change."""
        own, more = over_all([self, other])
        own.counts[rows] += more.counts
        return own

    def grown(self, rows: int) -> "MagnitudeCounts":
        """Return the counts with rows of zeros after them, `rows` in all."""
        if rows <= len(self.counts):
            return self
        return self._replace(counts=np.pad(self.counts, ((0, rows - len(self.counts)), (0, 0))))


def over_all(several: Sequence[MagnitudeCounts]) -> list[MagnitudeCounts]:
    """Return counts with the same columns, for all exponents that any of them has."""
    spans = [(one.least, one.least + one.exponents.shape[1]) for one in several if one.exponents.shape[1]]
    least, stop = min((low for low, _ in spans), default=0), max((high for _, high in spans), default=0)
    return [one.over(least, stop) for one in several]


def magnitude_counts(raw: Raw, dtype: DType, sizes: Sequence[int], scale: float, work: Workspace) -> MagnitudeCounts:
    """Count consecutive stored elements, divided by a loss scale: a row for each of `sizes`, which say how many belong to it."""
    least, columns = _columns(dtype, scale)
    found = np.zeros((len(sizes), columns), np.int64)
    for first, stop, part in _parts(raw, dtype, sizes, columns):
        rows = np.repeat(np.arange(stop - first), sizes[first:stop]) if stop - first > 1 else None
        found[first:stop] += _counted(part, dtype, scale, rows, stop - first, work)
    return MagnitudeCounts(least, found).trimmed()


def _parts(raw: Raw, dtype: DType, sizes: Sequence[int], columns: int) -> Iterator[tuple[int, int, Raw]]:
    """Cut elements into those of as many rows as are counted at once, and those of a large row into chunks."""
    at, first, most = 0, 0, max(1, _MOST_COUNTS // columns)
    while first < len(sizes):
        stop, count = first + 1, sizes[first]
        while stop < min(len(sizes), first + most) and count + sizes[stop] <= _CHUNK:
            count += sizes[stop]
            stop += 1
        for start in range(at, at + count, _CHUNK):
            end = min(start + _CHUNK, at + count)
            yield first, stop, raw[start * dtype.itemsize : end * dtype.itemsize]
        at, first = at + count, stop


def _shift(scale: float) -> int | None:
    """Return the exponent of a power of two; None for any other number."""
    mantissa, exponent = math.frexp(scale)
    return exponent - 1 if mantissa == 0.5 else None


def _columns(dtype: DType, scale: float) -> tuple[int, int]:
    """Return the exponent of the first column of exponents, and the number of columns."""
    shift = _shift(scale)
    if dtype.is_complex or shift is None:
        return _LEAST, _FIRST + 1024 - _LEAST
    if dtype.narrow:
        least, table = _narrow(dtype)
        return least - shift, int(table.max()) + 1
    bits, mantissa = _bits(dtype)
    return 2 - (1 << (bits - 1)) - mantissa - shift, _FIRST + mantissa + (1 << bits) - 2


def _counted(
    raw: Raw, dtype: DType, scale: float, rows: NDArray[np.int64] | None, number: int, work: Workspace
) -> Counts:
    """Count some elements of `number` rows, of shape (rows, columns)."""
    if dtype.is_complex or _shift(scale) is None:
        return _by_row(_of_numbers(_magnitudes(raw, dtype, work) / scale), rows, number, _columns(dtype, scale)[1])
    words = words_of(raw, dtype)
    words = words.byteswap() if dtype.swapped else words
    if dtype.narrow:
        table = _narrow(dtype)[1]
        return _by_row(table[index_of(words, work)], rows, number, int(table.max()) + 1)
    return _of_words(words, dtype, rows, number)


def _by_row(columns: NDArray[np.int64], rows: NDArray[np.int64] | None, number: int, width: int) -> Counts:
    at = columns if rows is None else columns + rows * width
    return np.bincount(at, minlength=number * width).reshape(number, width)


def _of_numbers(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the column of each of some magnitudes, from the exponent of the smallest float64 on."""
    columns: NDArray[np.int64] = np.frexp(values)[1].astype(np.int64) - 1 - _LEAST + _FIRST
    columns[values == 0] = _ZERO
    columns[~np.isfinite(values)] = _NONFINITE
    return columns


def _magnitudes(raw: Raw, dtype: DType, work: Workspace) -> NDArray[np.float64]:
    """Return |x| in float64; what is too large for it, of finite parts, is its largest number."""
    if not dtype.is_complex:
        with np.errstate(invalid="ignore"):  # a signalling NaN is treated as any other
            return np.abs(widen(decode(raw, dtype, work), work))
    parts = moduli.parts_of(raw, dtype, work.real, work.imaginary, work)
    found = moduli.moduli(parts, work)
    beyond = np.isinf(found) & ~moduli.is_infinite(parts)
    return np.where(beyond, np.finfo(np.float64).max, found)


@cache
def _narrow(dtype: DType) -> tuple[int, NDArray[np.int64]]:
    """Return the exponent of the smallest number of a narrow float, and the column of each of its words."""
    columns = _of_numbers(np.abs(values_of(dtype)))
    first = int(columns[columns >= _FIRST].min()) - _FIRST
    return _LEAST + first, np.where(columns >= _FIRST, columns - first, columns)


def _bits(dtype: DType) -> tuple[int, int]:
    """Return how many bits of float32 or float64 are the exponent and the mantissa."""
    return (8, 23) if dtype.itemsize == 4 else (11, 52)


def _of_words(words: NDArray[Any], dtype: DType, rows: NDArray[np.int64] | None, number: int) -> Counts:
    """Count float32 or float64 by the bits of the exponent, and subnormal numbers by the first bit of the mantissa."""
    bits, mantissa = _bits(dtype)
    top = (1 << bits) - 1
    powers = ((words >> mantissa) & top).view(f"i{dtype.itemsize}")
    every = _by_row(powers, rows, number, top + 1)
    found = np.zeros((number, _FIRST + mantissa + top - 1), np.int64)
    found[:, _NONFINITE], found[:, _FIRST + mantissa :] = every[:, top], every[:, 1:top]
    if every[:, 0].any():
        at = np.flatnonzero(powers == 0)
        small = words[at] & ((1 << mantissa) - 1)
        columns = np.where(small, np.frexp(small.astype(np.float64))[1] - 1 + _FIRST, _ZERO)
        found[:, : _FIRST + mantissa] += _by_row(columns, None if rows is None else rows[at], number, _FIRST + mantissa)
    return found
