"""The limits of narrower dtypes are where ml_dtypes rounds to 0, to a subnormal number, and out of range."""

import math

import numpy as np
import pytest
from support.tensors import ORACLES

from gradclip_cli.numerics.bands import TARGETS, band_of, last_word
from gradclip_cli.numerics.dtypes import FLOAT16, FLOAT32, FLOAT64, DType


def cast(value: float, dtype: DType) -> float:
    """Return a float64 that is a float32, as another dtype has it."""
    with np.errstate(over="ignore", under="ignore"):
        return float(np.float32(value).astype(ORACLES[dtype.name]))


@pytest.mark.parametrize("dtype", TARGETS, ids=lambda dtype: dtype.name)
def test_limits_are_those_of_a_cast(dtype: DType) -> None:
    """Up to a limit a cast gives 0, a subnormal number, or a finite one; the next float32 above it does not."""
    band = band_of(dtype)
    least = float(2.0 ** {"float16": -14, "bfloat16": -126, "float8_e4m3fn": -6, "float8_e5m2": -14}[dtype.name])
    lost, subnormal, largest = (
        float(np.array(last_word(limit, FLOAT32), np.uint32).view(np.float32)) for limit in band
    )

    def above(value: float) -> float:
        return float(np.nextafter(np.float32(value), np.float32(np.inf)))

    assert cast(lost, dtype) == 0 < cast(above(lost), dtype)
    assert cast(subnormal, dtype) < least <= cast(above(subnormal), dtype)
    assert math.isfinite(cast(largest, dtype))
    assert not math.isfinite(cast(above(largest), dtype))


def test_limits_of_float16_are_known() -> None:
    """Float16 loses what is at most 2^-25, has its smallest normal number at 2^-14, and overflows from 65,520 on."""
    lost, subnormal, largest = band_of(FLOAT16)
    assert (lost, math.nextafter(largest, math.inf)) == (2.0**-25, 65520.0)
    assert subnormal < 2.0**-14 * (1 - 2.0**-11) <= math.nextafter(subnormal, 1)


def test_limits_move_with_the_loss_scale() -> None:
    """What was multiplied by a loss scale is lost if its quotient is."""
    assert band_of(FLOAT16).stored(1024.0).lost == 2.0**-15
    lost = band_of(FLOAT16).stored(3.0).lost
    assert lost / 3 <= 2.0**-25 < math.nextafter(lost, 1) / 3


def test_the_last_word_is_the_largest_that_is_at_most_the_limit() -> None:
    """The bits of the largest number up to a limit are found in either dtype; there is a finite one for every limit."""
    one = int(np.float32(1).view(np.uint32))
    assert last_word(1.0, FLOAT32) == last_word(1 + 2.0**-40, FLOAT32) == one
    assert last_word(1 - 2.0**-40, FLOAT32) == one - 1
    assert last_word(1e300, FLOAT32) == last_word(math.inf, FLOAT32) == int(np.finfo(np.float32).max.view(np.uint32))
    assert last_word(0.1, FLOAT64) == int(np.float64(0.1).view(np.uint64))
    assert last_word(1e-60, FLOAT32) == 0
