"""Take the signs off the stored elements of a chunk, and count what is zero or not finite, in integer arithmetic.

Numbers without a sign have the order of their bits. Integers know no signalling NaN, and no slow subnormal numbers.
"""

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.numerics.dtypes import DType, Floats, Raw, words_of
from gradclip_cli.numerics.narrow_floats import FN, FNUZ, magnitudes, overflow_bits
from gradclip_cli.numerics.workspace import Workspace

Words = NDArray[Any]  # unsigned integers
Count = Any  # an int, or an array of shape (rows,)


class Unsigned(NamedTuple):
    """The elements of rows without their signs, and with 0 in place of NaN and infinities, as words of this machine.

    `tops` holds the largest word of each row. `zeros`, `nan`, `posinf` and `neginf` are counts.
    """

    words: Words  # (rows, width), in `work.unsigned`
    tops: Words  # (rows,)
    zeros: Count
    nan: Count = 0
    posinf: Count = 0
    neginf: Count = 0

    @property
    def counts(self) -> tuple[Count, Count, Count, Count]:
        """The counts of zeros, NaN, +Inf and -Inf."""
        return self[2:]


def unsigned(raw: Raw, dtype: DType, shape: tuple[int, int], work: Workspace, axis: int | None) -> Unsigned:
    """Return the elements of a real dtype in rows; they are counted all together, or in each row if `axis` is 1."""
    words = words_of(raw, dtype).reshape(shape)
    size = work.unsigned.take(words.size, words.dtype.type).reshape(shape)
    if dtype.swapped:
        words = words.view(words.dtype.newbyteorder())
        np.copyto(size, words)  # three times as fast as `byteswap`
    np.bitwise_and(size if dtype.swapped else words, (1 << (8 * dtype.itemsize - 1)) - 1, out=size)
    # Looking for any zero is four times as fast as counting them.
    found = Unsigned(size, size.max(axis=1, initial=0), 0 if size.min(initial=1) else _zeros(size, work, axis))
    if dtype.variant == FNUZ:  # the word of -0 is its only NaN
        nan = np.count_nonzero(words == 0x80, axis=axis)
        return found._replace(zeros=found.zeros - nan, nan=nan)
    return found if found.tops.max() < overflow(dtype) else _without_nonfinite(found, words, dtype, axis)


def values_of(found: Unsigned, dtype: DType, work: Workspace) -> Floats:
    """Return the numbers as float32 or float64, of shape (rows, width): the words themselves, or in `work.magnitudes`."""
    return magnitudes(found.words, dtype, work) if dtype.narrow else found.words.view(dtype.name)


@cache
def overflow(dtype: DType) -> int:
    """Return the smallest word without a sign that is not a finite number; it is infinity where there is one."""
    return int(overflow_bits(dtype)) if dtype.narrow else {4: 0x7F800000, 8: 0x7FF0000000000000}[dtype.itemsize]


def _zeros(size: Words, work: Workspace, axis: int | None) -> Count:
    zero = np.equal(size, 0, out=work.is_zero.take(size.size, np.bool_).reshape(size.shape))
    return np.count_nonzero(zero, axis=axis)


def _without_nonfinite(found: Unsigned, words: Words, dtype: DType, axis: int | None) -> Unsigned:
    """Count NaN and infinities, and set them to 0."""
    size, top = found.words, overflow(dtype)
    lost = size >= top
    nan, posinf, neginf = np.count_nonzero(lost, axis=axis), 0, 0
    if dtype.variant != FN:
        infinite = np.count_nonzero(size == top, axis=axis)
        posinf = np.count_nonzero(words == top, axis=axis)
        nan, neginf = nan - infinite, infinite - posinf
    np.copyto(size, 0, where=lost)
    return Unsigned(size, size.max(axis=1, initial=0), found.zeros, nan, posinf, neginf)
