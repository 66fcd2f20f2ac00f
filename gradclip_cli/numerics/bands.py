"""Say which magnitudes a narrower dtype turns into zero, keeps with fewer digits, or cannot hold.

Numbers are rounded to nearest even, as in frameworks: one just below the smallest normal number becomes that number.
"""

import math
from functools import cache
from typing import NamedTuple

import numpy as np

from gradclip_cli.numerics.dtypes import BFLOAT16, FLOAT8_E4M3FN, FLOAT8_E5M2, FLOAT16, DType
from gradclip_cli.numerics.narrow_floats import bias_of, overflow_bits, values_of
from gradclip_cli.numerics.norms import stored_limit

TARGETS = (FLOAT16, BFLOAT16, FLOAT8_E4M3FN, FLOAT8_E5M2)
"""The dtypes that gradients are often cast to."""


class Band(NamedTuple):
    """The largest |x| that becomes 0 in a dtype, the largest that is subnormal there or 0, and the largest that it can hold."""

    lost: float
    subnormal: float
    largest: float

    def stored(self, scale: float) -> "Band":
        """Return the same limits on elements that were multiplied by a loss scale before they were stored."""
        return Band(*(stored_limit(limit, scale) for limit in self))


@cache
def band_of(dtype: DType) -> Band:
    """Return the limits of a float of 16 or 8 bits.

    >>> band_of(FLOAT16).lost == 2.0**-25, band_of(FLOAT8_E4M3FN).largest
    (True, 464.0)
    """
    least = 1 - bias_of(dtype)  # the exponent of the smallest normal number
    low = math.ldexp(1 - 2.0 ** (-dtype.mantissa - 1), least)  # a tie, which becomes normal
    top = int(overflow_bits(dtype)) - 1
    last, before = float(values_of(dtype)[top]), float(values_of(dtype)[top - 1])
    high = last + (last - before) / 2
    if top % 2:  # a tie rounds to even, which is not the last finite number
        high = math.nextafter(high, 0.0)
    return Band(math.ldexp(1.0, least - dtype.mantissa - 1), math.nextafter(low, 0.0), high)


@cache
def last_word(limit: float, dtype: DType) -> int:
    """Return the bits of the largest finite float32 or float64 that is at most `limit`, which is at least 0."""
    with np.errstate(over="ignore"):
        near = np.array(limit).astype(dtype.name)
    word = int(near.view(f"u{dtype.itemsize}"))
    return word - 1 if float(near) > limit or math.isinf(float(near)) else word
