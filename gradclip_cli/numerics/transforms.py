"""Change stored elements in place: scale all or some of them, clamp, and replace NaN and infinities."""

import math
import sys
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.numerics.chunks import CHUNK
from gradclip_cli.numerics.complex_transforms import clamp_complex, far_complex, zero_nonfinite_complex
from gradclip_cli.numerics.dtypes import DType, Floats, Raw, constant, decode, encode, to_float64, widen, words_of
from gradclip_cli.numerics.narrow_floats import FNUZ, index_of
from gradclip_cli.numerics.scanning import overflow, without_signs
from gradclip_cli.numerics.workspace import Workspace

_TABLE_PAYS = 1 << 19
"""From this number of bytes on, a table of all narrow floats is faster than arithmetic."""


def scale(raw: Raw, dtype: DType, factor: float, numerator: float, denominator: float, work: Workspace) -> None:
    """Multiply by `factor` in float64 and round once; of complex elements, each part.

    A factor that is not a normal number (0, infinite, NaN or subnormal) has lost digits, or comes from a norm that is not
    finite. Then divide by `denominator` and multiply by `numerator`, which gives the IEEE result of g / n · c.
    """
    normal, dtype = is_normal(factor), dtype.part
    if normal and dtype.narrow and not dtype.swapped and raw.size >= _TABLE_PAYS:
        _look_up(words_of(raw, dtype), _scaled(dtype, factor), work)
        return
    if normal and not dtype.narrow and not dtype.swapped:
        _multiply(raw.view(dtype.name), factor)
        return
    for part in chunks(raw, dtype):
        with np.errstate(all="ignore"):
            wide = widen(decode(part, dtype, work), work)
            if normal:
                np.multiply(wide, factor, out=wide)
            else:
                np.divide(wide, denominator, out=wide)
                np.multiply(wide, numerator, out=wide)
        encode(wide, dtype, part, work)


def _multiply(values: Floats, factor: float) -> None:
    """Multiply float32 or float64; numpy widens and rounds 8,192 elements at once, which stay in the nearest cache.

    On a piece that was just read: 13.7 GB/s of float32, and 11.6 by way of a float64 array.
    """
    with np.errstate(all="ignore"):
        np.multiply(values, factor, out=values, dtype=np.float64, casting="same_kind")


def _look_up(words: NDArray[Any], table: NDArray[Any], work: Workspace) -> None:
    """Replace words by those of a table of all."""
    for start in range(0, words.size, CHUNK):
        part = words[start : start + CHUNK]
        np.take(table, index_of(part, work), out=part, mode="wrap")  # a third faster than "clip"


def scale_each(raw: Raw, dtype: DType, factors: Sequence[float], sizes: Sequence[int], work: Workspace) -> None:
    """Multiply each of several adjacent tensors by its own normal factor; the bits are those of `scale`."""
    if dtype.is_complex:
        dtype, sizes = dtype.part, [2 * size for size in sizes]
    with np.errstate(all="ignore"):
        wide = widen(decode(raw, dtype, work), work)
        np.multiply(wide, np.repeat(factors, sizes), out=wide)
    encode(wide, dtype, raw, work)


def scale_apart(
    raw: Raw, dtype: DType, limit: float, within: tuple[float, float], beyond: tuple[float, float], work: Workspace
) -> int:
    """Multiply elements with |x| > limit by one quotient, all others by another, in float64, and round once.

    `within` and `beyond` are numerators and denominators. Return the number of elements beyond the limit.
    """
    numerators, denominators = np.array([within, beyond]).T
    with np.errstate(all="ignore"):
        factors = numerators / denominators
    normal, number = all(map(is_normal, factors.tolist())), 0
    steps = [(np.multiply, factors)] if normal else [(np.divide, denominators), (np.multiply, numerators)]
    for part in chunks(raw, dtype):
        with np.errstate(all="ignore"):
            far = _beyond(part, dtype, limit, work)
            wide = widen(decode(part, dtype.part, work), work)
            which = (far if not dtype.is_complex else np.repeat(far, 2)).view(np.uint8)
            for ufunc, two in steps:
                ufunc(wide, np.take(two, which, out=work.scaled.take(wide.size, np.float64), mode="clip"), out=wide)
        encode(wide, dtype.part, part, work)
        number += int(np.count_nonzero(far))
    return number


def _beyond(raw: Raw, dtype: DType, limit: float, work: Workspace) -> NDArray[np.bool_]:
    """Return which elements have |x| > limit."""
    if dtype.is_complex:
        return far_complex(raw, dtype, limit, work)
    wide = widen(decode(raw, dtype, work), work)
    found: NDArray[np.bool_] = np.abs(wide, out=work.limited.take(wide.size, np.float64)) > limit
    return found


def is_normal(factor: float) -> bool:
    """Return whether a factor is a normal number: not 0, subnormal, infinite or NaN."""
    return sys.float_info.min <= abs(factor) < math.inf


@lru_cache(maxsize=64)
def _scaled(dtype: DType, factor: float) -> NDArray[Any]:
    """Return the table of scaled words of a narrow float, indexed by word."""
    raw = np.arange(1 << (8 * dtype.itemsize), dtype=f"u{dtype.itemsize}").view(np.uint8)
    scale(raw, dtype, factor, factor, 1.0, Workspace())  # not that of the run, which the cache would keep alive
    return words_of(raw, dtype)


def clamp(raw: Raw, dtype: DType, limit: float, keep_infinite: bool, work: Workspace) -> int:
    """Replace |g| > limit by ±limit, rounded to `dtype`; return the number of replaced elements."""
    if dtype.is_complex:
        return clamp_complex(raw, dtype, limit, keep_infinite, work)
    bounds = _bounds(limit, dtype, work)
    number = 0
    for part in chunks(raw, dtype):
        found = None if bounds is None else _clamp_words(words_of(part, dtype), dtype, bounds, work)
        number += _clamp_values(part, dtype, limit, keep_infinite, work) if found is None else found
    return number


def _bounds(limit: float, dtype: DType, work: Workspace) -> tuple[int, int] | None:
    """Return the word of the largest number up to the limit, and that of the limit; None where only numbers tell."""
    word = constant(limit, dtype._replace(swapped=False), work)
    rounded = int(word[0])
    if math.isnan(limit) or math.copysign(1, limit) < 0 or (dtype.variant == FNUZ and not rounded):
        return None  # FNUZ has no -0, which other numbers below 0 become at the limit 0
    return rounded - (rounded >= overflow(dtype) or to_float64(word, dtype)[0] > limit), rounded


def _clamp_words(words: NDArray[Any], dtype: DType, bounds: tuple[int, int], work: Workspace) -> int | None:
    """Limit finite elements in integer arithmetic; return how many were replaced, or None if not all are finite."""
    most, limit = bounds
    size = without_signs(words, dtype, work)
    top = int(size.max(initial=0))
    if top >= overflow(dtype):
        return None
    if top <= most:
        return 0
    number = int(np.count_nonzero(np.greater(size, most, out=work.is_zero.take(size.size, np.bool_))))
    excess = np.minimum(size, limit, out=work.limited.take(size.size, size.dtype.type))
    np.subtract(size, excess, out=excess)
    stored = words.view(words.dtype.newbyteorder()) if dtype.swapped else words
    np.subtract(stored, excess, out=stored)
    return number


def _clamp_values(raw: Raw, dtype: DType, limit: float, keep_infinite: bool, work: Workspace) -> int:
    values, words = decode(raw, dtype, work), words_of(raw, dtype)
    with np.errstate(invalid="ignore"):
        above, below = np.greater(values, np.float64(limit)), np.less(values, np.float64(-limit))
    if keep_infinite:
        above &= values != math.inf
        below &= values != -math.inf
    np.copyto(words, constant(limit, dtype, work), where=above)
    np.copyto(words, constant(-limit, dtype, work), where=below)
    return int(np.count_nonzero(above) + np.count_nonzero(below))


def zero_nonfinite(raw: Raw, dtype: DType, work: Workspace) -> None:
    """Replace NaN and infinities by zero."""
    for part in chunks(raw, dtype):
        if dtype.is_complex:
            zero_nonfinite_complex(part, dtype, work)
            continue
        words = words_of(part, dtype)
        # The only NaN of FNUZ is the word of -0, of one byte.
        size = words if dtype.variant == FNUZ else without_signs(words, dtype, work)
        lost = np.equal(size, 0x80) if dtype.variant == FNUZ else np.greater_equal(size, overflow(dtype))
        np.copyto(words, 0, where=lost)


def chunks(raw: Raw, dtype: DType) -> Iterator[Raw]:
    """Cut stored elements into chunks that stay in the cache."""
    step = CHUNK * dtype.itemsize
    return (raw[start : start + step] for start in range(0, raw.size, step))


def byteswap(raw: Raw, dtype: DType) -> None:
    """Reverse the bytes of each element in place; of complex ones, those of each part."""
    size = dtype.part.itemsize
    if size > 1:
        raw.view(f"u{size}").byteswap(inplace=True)
