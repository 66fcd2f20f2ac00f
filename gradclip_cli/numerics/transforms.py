"""Change stored elements in place: scale, clamp, and replace NaN and infinities."""

import math
import sys
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.numerics.complex_transforms import clamp_complex, zero_nonfinite_complex
from gradclip_cli.numerics.dtypes import DType, Raw, constant, decode, encode, widen, words_of
from gradclip_cli.numerics.narrow_floats import index_of
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
        words = words_of(raw, dtype)
        np.take(_scaled(dtype, factor), index_of(words, work), out=words, mode="clip")
        return
    with np.errstate(all="ignore"):
        wide = widen(decode(raw, dtype, work), work)
        if normal:
            np.multiply(wide, factor, out=wide)
        else:
            np.divide(wide, denominator, out=wide)
            np.multiply(wide, numerator, out=wide)
    encode(wide, dtype, raw, work)


def scale_each(raw: Raw, dtype: DType, factors: Sequence[float], sizes: Sequence[int], work: Workspace) -> None:
    """Multiply each of several adjacent tensors by its own normal factor; the bits are those of `scale`."""
    if dtype.is_complex:
        dtype, sizes = dtype.part, [2 * size for size in sizes]
    with np.errstate(all="ignore"):
        wide = widen(decode(raw, dtype, work), work)
        np.multiply(wide, np.repeat(factors, sizes), out=wide)
    encode(wide, dtype, raw, work)


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
    if dtype.is_complex:
        zero_nonfinite_complex(raw, dtype, work)
        return
    np.copyto(words_of(raw, dtype), 0, where=~np.isfinite(decode(raw, dtype, work)))


def byteswap(raw: Raw, dtype: DType) -> None:
    """Reverse the bytes of each element in place; of complex ones, those of each part."""
    size = dtype.part.itemsize
    if size > 1:
        raw.view(f"u{size}").byteswap(inplace=True)
