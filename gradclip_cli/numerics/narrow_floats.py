"""Convert floats of 16 and 8 bits with tables of their values, and with rounding in integer arithmetic.

numpy's casts take 50 to 100 ns for each subnormal number, and gradients are full of them.

Special values follow one of three rules. Usually the largest exponent means infinity or NaN. `FN` has no infinity and one NaN
of either sign, all ones. `FNUZ` has neither infinity nor -0: the word of -0 is its only NaN, and its bias is one larger
(Noune et al. 2022, https://arxiv.org/abs/2206.02915). What is too large becomes infinity, or NaN where there is none.
"""

from collections.abc import Hashable
from functools import cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.numerics.workspace import Workspace

FN, FNUZ = "fn", "fnuz"


class Narrow(Hashable, Protocol):
    """The format of a narrow float."""

    @property
    def itemsize(self) -> int:
        """The size of an element in bytes."""

    @property
    def exponent(self) -> int:
        """The number of bits of its exponent."""

    @property
    def mantissa(self) -> int:
        """The number of bits of its mantissa that are stored."""

    @property
    def variant(self) -> str:
        """The rule for its special values: empty, `FN` or `FNUZ`."""


def round_bits(single: NDArray[np.float32], dtype: Narrow, work: Workspace) -> NDArray[np.uint32]:
    """Round float32 in place to the bits of a narrower float, as hardware converters do."""
    if dtype.exponent == 8:
        return _round_bfloat16(single, work)
    drop = 23 - dtype.mantissa
    bits = single.view(np.uint32)
    sign = work.sign.take(bits.size, np.uint32)
    np.right_shift(bits, 31, out=sign)
    np.left_shift(sign, dtype.exponent + dtype.mantissa, out=sign)
    np.bitwise_and(bits, 0x7FFFFFFF, out=bits)
    nan = np.isnan(single) if np.isnan(single.max(initial=0)) else None
    fixed = _fixed_point(single, dtype, work)
    # Rebias the exponent one too low: numbers that are subnormal in the narrow type wrap around, above any fixed point.
    rebias = (bias_of(dtype) - 1 - 127) << 23
    _round_up(bits, drop, rebias, work)
    np.right_shift(bits, drop, out=bits)
    np.add(bits, np.uint32(1 << dtype.mantissa), out=bits)
    np.minimum(bits, fixed, out=bits)
    np.minimum(bits, overflow_bits(dtype), out=bits)
    if nan is not None:
        bits[nan] = _nan_bits(dtype)
    if dtype.variant == FNUZ:  # a negative number that rounds to zero has no sign
        np.copyto(sign, 0, where=bits == 0)
    return np.bitwise_or(bits, sign, out=bits)


def round_to_odd(wide: NDArray[np.float64], dtype: Narrow, work: Workspace) -> NDArray[np.float64]:
    """Cut float64 off three bits below the last one of a narrow float; the new last bit is 1 where anything was cut off.

    Float32 holds the result exactly, and `round_bits` rounds that as it would round the number itself: rounded to nearest
    twice, a number just beside the middle of two narrow ones may go to the wrong one (Boldo and Melquiond 2008,
    https://hal.science/inria-00080427). The result is in `work.odd_bits`.
    """
    cut = np.uint64((1 << (52 - dtype.mantissa - 3)) - 1)
    bits = wide.view(np.uint64)
    odd = np.bitwise_and(bits, cut, out=work.odd_bits.take(bits.size, np.uint64))
    np.add(odd, cut, out=odd)  # carries a 1 into the new last bit unless all that is cut off is 0
    np.bitwise_or(odd, bits, out=odd)
    np.bitwise_and(odd, ~cut, out=odd)
    return odd.view(np.float64)


def _round_bfloat16(single: NDArray[np.float32], work: Workspace) -> NDArray[np.uint32]:
    """Round float32 to bfloat16, which has the same exponent: add half of the last kept bit; the sign stays in place."""
    bits = single.view(np.uint32)
    nan = np.isnan(single) if np.isnan(single.max(initial=0)) else None
    _round_up(bits, 16, 0, work)
    np.right_shift(bits, 16, out=bits)
    if nan is not None:
        bits[nan] = 0x7FC0
    return bits


def _round_up(bits: NDArray[np.uint32], drop: int, rebias: int, work: Workspace) -> None:
    """Add just under half of the last kept bit, or exactly half if that bit is 1: this rounds to nearest even."""
    odd = work.odd.take(bits.size, np.uint32)
    np.right_shift(bits, drop, out=odd)
    np.bitwise_and(odd, 1, out=odd)
    np.add(odd, np.uint32((rebias + (1 << (drop - 1)) - 1) & 0xFFFFFFFF), out=odd)
    np.add(bits, odd, out=bits)


def _fixed_point(size: NDArray[np.float32], dtype: Narrow, work: Workspace) -> NDArray[np.uint32]:
    """Round to a multiple of the smallest subnormal number.

    The result is the bits of a number that is subnormal in the narrow type, and more than the bits of any other. Adding a
    power of two makes the processor round at the place of its last bit.
    """
    shifted = work.fixed_point.take(size.size, np.float32)
    magic = np.float32(2.0 ** (1 - bias_of(dtype) - dtype.mantissa + 23))
    np.add(size, magic, out=shifted)
    words = shifted.view(np.uint32)
    return np.subtract(words, magic.view(np.uint32), out=words)


def bias_of(dtype: Narrow) -> int:
    """Return what is subtracted from the bits of an exponent."""
    return (1 << (dtype.exponent - 1)) - 1 + (dtype.variant == FNUZ)


def overflow_bits(dtype: Narrow) -> np.uint32:
    """Return the word of a number that is too large: infinity, or NaN where there is none; all smaller words are finite."""
    if dtype.variant == FNUZ:
        return np.uint32(1 << (dtype.exponent + dtype.mantissa))
    if dtype.variant == FN:
        return np.uint32((1 << (dtype.exponent + dtype.mantissa)) - 1)
    return np.uint32(((1 << dtype.exponent) - 1) << dtype.mantissa)


def _nan_bits(dtype: Narrow) -> np.uint32:
    return overflow_bits(dtype) if dtype.variant else overflow_bits(dtype) | np.uint32(1 << (dtype.mantissa - 1))


@cache
def values_of(dtype: Narrow) -> NDArray[np.float64]:
    """Return the table of all values of a float of 8 or 16 bits, indexed by word."""
    bits = np.arange(1 << (8 * dtype.itemsize), dtype=np.int64)
    fraction = bits & ((1 << dtype.mantissa) - 1)
    power = (bits >> dtype.mantissa) & ((1 << dtype.exponent) - 1)
    whole = fraction + (np.minimum(power, 1) << dtype.mantissa)
    values = np.ldexp(whole.astype(np.float64), np.maximum(power, 1) - bias_of(dtype) - dtype.mantissa)
    top = (1 << dtype.exponent) - 1
    if dtype.variant == FNUZ:
        values[overflow_bits(dtype)] = np.nan
    elif dtype.variant == FN:
        values[(bits & 0x7F) == 0x7F] = np.nan
    else:
        values[power == top] = np.where(fraction[power == top] == 0, np.inf, np.nan)
    signed: NDArray[np.float64] = np.where(bits >> (dtype.exponent + dtype.mantissa), -values, values)
    return signed


def magnitudes(words: NDArray[Any], dtype: Narrow, work: Workspace) -> NDArray[np.float32]:
    """Return the numbers whose bits, without a sign, are `words`, in `work.magnitudes`; infinities and NaN become some number.

    No table is needed, and no subnormal that would slow the processor down: with an exponent one too high, a normal number is
    doubled and a subnormal one is too large by the smallest normal number. The smaller result of both corrections is right.
    """
    bits = work.magnitudes.take(words.size, np.uint32).reshape(words.shape)
    np.copyto(bits, words)
    np.left_shift(bits, 23 - dtype.mantissa, out=bits)
    values = bits.view(np.float32)
    if dtype.exponent == 8:
        return values
    bias, least = _correction(dtype)
    normal = np.add(bits, bias, out=work.normal.take(words.size, np.uint32).reshape(words.shape))
    np.add(bits, bias + (1 << 23), out=bits)
    np.subtract(values, least, out=values)
    np.minimum(bits, normal, out=bits)  # of two nonnegative numbers, the smaller one has the smaller bits
    return values


def unrounded(values: NDArray[np.float32], dtype: Narrow, plus: int, work: Workspace) -> NDArray[np.uint32]:
    """Return numbers as words of `dtype`, followed by the bits that rounding takes away, in the memory of `values`.

    `plus` is added, in steps of the last of these bits. It is the inverse of `magnitudes`, by the same corrections, of which the
    larger result is right now; what becomes subnormal is rounded to that last bit. Unless `dtype` has the exponent of float32,
    the numbers have no sign. None is larger than the largest one of `dtype`.
    """
    if dtype.exponent < 8:
        bias, least = _correction(dtype)
        # `maximum` of an array and a number takes three times as long.
        larger = np.clip(values, least, np.float32(np.inf), out=work.odd.take(values.size, np.float32))
        np.add(values, larger, out=values)
        plus -= bias + (1 << 23)
    bits = values.view(np.uint32)
    return np.add(bits, np.uint32(plus & 0xFFFFFFFF), out=bits)


@cache
def _correction(dtype: Narrow) -> tuple[int, np.float32]:
    """Return what turns a biased exponent into that of float32, in its place, and the smallest normal number."""
    return (127 - bias_of(dtype)) << 23, np.float32(2.0 ** (1 - bias_of(dtype)))


def index_of(words: NDArray[Any], work: Workspace) -> NDArray[np.intp]:
    """Return stored words as indices into a table of all values, in `work.table_index`."""
    index = work.table_index.take(words.size, np.intp)
    np.copyto(index, words)
    return index
