"""Go through stored elements as integers: count what is zero or not finite, and find the largest |x|.

Numbers without a sign have the order of their bits. Integers know no signalling NaN, and no slow subnormal numbers.
"""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.numerics.dtypes import DType, Floats, to_float64
from gradclip_cli.numerics.narrow_floats import FN, FNUZ, magnitudes, overflow_bits
from gradclip_cli.numerics.workspace import Workspace

Words = NDArray[Any]  # stored elements as unsigned integers
Counts = tuple[Any, Any, Any, Any]
"""How many elements are zeros, NaN, +Inf and -Inf: numbers, or arrays of shape (rows,)."""

_POWERS = 60
"""Squares of bfloat16 from 2^-60 up to 2^60 are in the range of float32."""


class Scan:
    """What was found in the chunks of a piece of a real dtype; `values` goes through one more."""

    __slots__ = ("_dtype", "_mask", "_overflow", "_signs", "_work", "counts", "exact_squares", "top")

    def __init__(self, dtype: DType, work: Workspace, signs: bool) -> None:
        """Prepare for chunks; `signs` says that the numbers may keep their signs, since all they are for is to be squared."""
        self._dtype, self._work = dtype, work
        self._signs = signs and dtype.itemsize == 4 and not dtype.swapped
        self._mask, self._overflow = (1 << (8 * dtype.itemsize - 1)) - 1, overflow(dtype)
        self.counts: Counts = (0, 0, 0, 0)
        self.top = 0  # the largest word without a sign
        self.exact_squares = False  # whether the squares of the last chunk are float32, too

    @property
    def max_abs(self) -> float:
        """The largest |x| of what is finite."""
        return float(to_float64(np.array([self.top], f"u{self._dtype.itemsize}"), self._dtype)[0])

    def values(self, words: Words) -> Floats:
        """Return the numbers of a nonempty chunk without signs, and 0 in place of NaN and infinities.

        They are float32 or float64, in the memory of `words`, in `work.unsigned` or in `work.magnitudes`.
        """
        if self._signs and (found := self._as_stored(words)) is not None:
            return found
        size = without_signs(words, self._dtype, self._work)
        # Looking for any zero is faster than counting, but dtypes with few exponents mostly have some.
        least = 0 if 0 < self._dtype.exponent < 8 else int(np.minimum.reduce(size))
        top = int(np.maximum.reduce(size))
        if top >= self._overflow or not least or self._dtype.variant == FNUZ:
            top = self._count(size, words, top)
        self.top = max(self.top, top)
        if not self._dtype.narrow:
            return size.view(self._dtype.name)
        self.exact_squares = self._are_squares_exact(least, top)
        return magnitudes(size, self._dtype, self._work)

    def _as_stored(self, words: Words) -> Floats | None:
        """Return float32 as they are, or None if some are not finite; nothing is written, which saves a twentieth of the time."""
        signed = words.view(np.int32)
        # The largest word has a sign if any has one, and is the negative number with the largest |x|.
        top = max(int(np.maximum.reduce(words)) & self._mask, int(np.maximum.reduce(signed)))
        if top >= self._overflow:
            return None
        values: Floats = words.view(np.float32)
        if zeros := _count(np.equal, values, 0, self._work, None):
            self._add((zeros, 0, 0, 0))
        self.top = max(self.top, top)
        return values

    def _count(self, size: Words, words: Words, top: int) -> int:
        """Count zeros and what is not finite, and set that to 0; return the largest word that is left."""
        finite = top < self._overflow
        self._add(count(size, words, self._dtype, self._work, finite))
        if finite:
            return top
        np.copyto(size, 0, where=size >= self._overflow)
        return int(np.maximum.reduce(size))

    def _add(self, counts: Counts) -> None:
        zeros, nan, posinf, neginf = (a + b for a, b in zip(self.counts, counts, strict=True))
        self.counts = zeros, nan, posinf, neginf

    def _are_squares_exact(self, least: int, top: int) -> bool:
        """Return whether squares, of at most 22 digits, are float32; zeros could hide numbers that are too small."""
        if self._dtype.exponent < 8:
            return True
        return least >= (127 - _POWERS) << 7 and top < (127 + _POWERS) << 7


def without_signs(words: Words, dtype: DType, work: Workspace) -> Words:
    """Return stored words in the byte order of this machine with a sign bit of 0, in `work.unsigned`."""
    size: Words = work.unsigned.take(words.size, words.dtype.type).reshape(words.shape)
    mask = (1 << (8 * dtype.itemsize - 1)) - 1
    if not dtype.swapped:
        return np.bitwise_and(words, mask, out=size)
    np.copyto(size, words.view(words.dtype.newbyteorder()))  # three times as fast as `byteswap`
    return np.bitwise_and(size, mask, out=size)


def count(
    size: Words, words: Words, dtype: DType, work: Workspace, finite: bool = False, axis: int | None = None
) -> Counts:
    """Count stored `words`, of which `size` holds those without signs, all together or along an axis.

    `finite` says that no word is as large as that of infinity.
    """
    words = words.view(words.dtype.newbyteorder()) if dtype.swapped else words
    zeros, posinf, neginf = _count(np.equal, size, 0, work, axis), 0, 0
    if dtype.variant == FNUZ:  # the word of -0 is its only NaN
        nan = _count(np.equal, words, 0x80, work, axis)
        return zeros - nan, nan, 0, 0
    if finite:
        return zeros, 0, 0, 0
    top = overflow(dtype)
    nan = _count(np.greater_equal, size, top, work, axis)
    if dtype.variant != FN:
        infinite, posinf = (_count(np.equal, some, top, work, axis) for some in (size, words))
        nan, neginf = nan - infinite, infinite - posinf
    return zeros, nan, posinf, neginf


def _count(compare: np.ufunc, words: Words, than: int, work: Workspace, axis: int | None) -> Any:
    found = compare(words, than, out=work.is_zero.take(words.size, np.bool_).reshape(words.shape))
    return np.count_nonzero(found, axis=axis)


@cache
def overflow(dtype: DType) -> int:
    """Return the smallest word without a sign that is not a finite number; it is infinity where there is one."""
    return int(overflow_bits(dtype)) if dtype.narrow else {4: 0x7F800000, 8: 0x7FF0000000000000}[dtype.itemsize]
