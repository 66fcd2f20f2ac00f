"""The arithmetic on stored elements: scale, clamp, and replace what is not finite."""

import math
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.dtypes import DType, Raw, constant, decode, encode, widen


def scale(raw: Raw, dtype: DType, factor: float, numerator: float, denominator: float) -> None:
    """Multiply by `factor` in float64 and round once.

    A factor that is no normal number (0, infinite, NaN or subnormal) has lost digits or come from a norm that is not finite:
    there the elements are divided and multiplied instead, which gives what IEEE arithmetic makes of g / n · c.
    """
    wide = widen(decode(raw, dtype))
    with np.errstate(all="ignore"):
        if sys.float_info.min <= abs(factor) < math.inf:
            np.multiply(wide, factor, out=wide)
        else:
            np.divide(wide, denominator, out=wide)
            np.multiply(wide, numerator, out=wide)
    encode(wide, dtype, raw)


def clamp(raw: Raw, dtype: DType, limit: float, keep_infinite: bool) -> int:
    """Replace |g| > limit by ±limit, rounded to `dtype`; return how many were replaced."""
    values, words = decode(raw, dtype), _words(raw, dtype)
    bound = np.float64(limit)
    above, below = np.greater(values, bound), np.less(values, -bound)
    if keep_infinite:
        above &= values != math.inf
        below &= values != -math.inf
    np.copyto(words, constant(limit, dtype), where=above)
    np.copyto(words, constant(-limit, dtype), where=below)
    return int(np.count_nonzero(above) + np.count_nonzero(below))


def zero_nonfinite(raw: Raw, dtype: DType) -> None:
    """Replace NaN and infinities by zero."""
    np.copyto(_words(raw, dtype), 0, where=~np.isfinite(decode(raw, dtype)))


def byteswap(raw: Raw, dtype: DType) -> None:
    """Turn the bytes of each element (of each part of a complex one) around, in place."""
    size = dtype.itemsize // 2 if dtype.kind == "complex" else dtype.itemsize
    if size > 1:
        raw.view(f"u{size}").byteswap(inplace=True)


def _words(raw: Raw, dtype: DType) -> NDArray[Any]:
    return raw.view(f"u{dtype.itemsize}")
