"""Units are scaled in place, each by its own factor, in pieces of any size."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.official import BFLOAT16
from support.rounding import nearest

from gradclip_cli.inputs.unit_axis import FIRST, LAST
from gradclip_cli.numerics.dtypes import from_numpy
from gradclip_cli.numerics.norms import BLOCK
from gradclip_cli.numerics.unit_layout import UnitLayout
from gradclip_cli.numerics.unit_scaling import UnitFactors, UnitScaling, scale_units
from gradclip_cli.numerics.workspace import Workspace

WORK = Workspace()


def scaled(array: NDArray[Any], axis: str, factors: NDArray[Any], blocks: int, *, has_nan: bool = False) -> Any:
    """Scale a copy of an array, so many blocks at a time; return it with the number of clipped elements."""
    layout, dtype, found = UnitLayout.of(array.shape, first=axis == FIRST), from_numpy(array.dtype), array.copy()
    raw = found.reshape(-1).view(np.uint8)
    how = UnitScaling(layout, UnitFactors.of(factors, np.ones(factors.size)), factors != 1, has_nan)
    step, number = blocks * BLOCK * dtype.itemsize, 0
    for at in range(0, raw.size, step):
        number += scale_units(raw[at : at + step], dtype, at // dtype.itemsize, how, WORK)
    return found, number


@pytest.mark.parametrize("blocks", [1, 40])
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "c8", ">f4"])
@pytest.mark.parametrize("axis", [FIRST, LAST])
@pytest.mark.parametrize("shape", [(3, 5), (7, 30_000), (30_000, 7), (5, 3, 3, 4)], ids=str)
def test_each_unit_has_its_own_factor(shape: tuple[int, ...], axis: str, dtype: str, blocks: int) -> None:
    """Elements are multiplied in float64 and rounded once; a factor below the normal numbers keeps its digits."""
    rng = np.random.default_rng(2)
    array = rng.standard_normal(shape).astype(dtype)
    factors = rng.random(shape[0] if axis == FIRST else shape[-1])
    factors[::3] = 1
    factors[1] = 1e-310
    each = np.moveaxis(np.broadcast_to(factors, [*np.moveaxis(array, 0 if axis == FIRST else -1, -1).shape]), -1, 0)
    each = each if axis == FIRST else np.moveaxis(each, 0, -1)
    wanted = (array.astype("c16" if dtype == "c8" else "f8") * each).astype(dtype)
    found, number = scaled(array, axis, factors, blocks)
    np.testing.assert_array_equal(found, wanted)
    assert number == np.count_nonzero(each != 1)


# Of the products of these, some are a hair beside the middle of two bfloat16, and on its other side in float32.
BESIDE_BFLOAT16 = [(511 - 2 * k) / 512 / ((255 - j) / 128) for k in range(4) for j in range(k, 5)]
# The same of float16, and the middle of two that are subnormal.
BESIDE_FLOAT16 = [(4095 - 2 * k) / 4096 / ((2047 - j) / 1024) for k in range(3) for j in (1, 6, 7)]
BESIDE_SUBNORMAL = [201 / 2050, 201 / 4094, 2047 / 2050]


@pytest.mark.parametrize("axis", [FIRST, LAST])
@pytest.mark.parametrize(
    ("dtype", "infinity", "beside"),
    [(BFLOAT16, 0x7F80, BESIDE_BFLOAT16), (np.float16, 0x7C00, BESIDE_FLOAT16 + BESIDE_SUBNORMAL)],
    ids=["bfloat16", "float16"],
)
def test_narrow_floats_are_rounded_once(dtype: Any, infinity: int, beside: list[float], axis: str) -> None:
    """Every one but NaN is rounded once, though products are taken in float32: also in the middle, and just beside it."""
    words = np.arange(1 << 16, dtype=np.uint16)
    every = words[(words & 0x7FFF) <= infinity].view(dtype)
    usual = [1, 0.3, 2**-0.5, 257 / 512, 257 / 512 * (1 + 2**-50), 2**-10, 2**-11, 2**-63.5]
    factors = np.array([*usual, *(one for one in beside if one < 1)])
    array = np.ascontiguousarray(np.broadcast_to(every, (factors.size, every.size)))
    array, each = (array, factors[:, None]) if axis == FIRST else (np.ascontiguousarray(array.T), factors)
    found, number = scaled(array, axis, factors, 32)
    wanted = nearest(array.astype(np.float64) * each, np.dtype(dtype))
    np.testing.assert_array_equal(found.view(np.uint16), wanted.view(np.uint16))
    assert number == every.size * (factors.size - 1)


def test_the_bits_of_nan_stay_where_a_unit_is_not_clipped() -> None:
    """A signalling NaN in a unit that is kept is not made quiet."""
    array = np.array([[0x7F800001, 0x3F800000], [0x40000000, 0x40000000]], np.uint32).view(np.float32)
    found, number = scaled(array, FIRST, np.array([1.0, 0.5]), 1, has_nan=True)
    assert found.view(np.uint32).tolist() == [[0x7F800001, 0x3F800000], [0x3F800000, 0x3F800000]]
    assert number == 2


def test_an_infinite_norm_divides_first() -> None:
    """g / n · c for an infinite norm is 0 for finite elements and NaN for infinite ones, as IEEE says."""
    array = np.array([[np.inf, 1.0], [2.0, 3.0]])
    by = UnitFactors.of(np.array([5.0, 1.0]), np.array([np.inf, 1.0]))
    raw = array.reshape(-1).view(np.uint8)
    scale_units(
        raw,
        from_numpy(array.dtype),
        0,
        UnitScaling(UnitLayout.of((2, 2), first=True), by, np.array([True, False])),
        WORK,
    )
    np.testing.assert_array_equal(array, [[np.nan, 0.0], [2.0, 3.0]])
