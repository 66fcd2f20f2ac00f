"""Elements are converted to another dtype by way of float64, and rounded once."""

from typing import Any

import numpy as np
import pytest
from support.official import BFLOAT16
from support.rounding import nearest
from support.tensors import ORACLES, raw_of

from gradclip_cli.numerics.conversion import converted, wide_type, widened
from gradclip_cli.numerics.dtypes import BFLOAT16 as BF16
from gradclip_cli.numerics.dtypes import COMPLEX64, COMPLEX128, FLOAT16, FLOAT32, FLOAT64, FLOATS, DType, swapped
from gradclip_cli.numerics.workspace import Workspace

TARGETS = (FLOAT32, FLOAT16, BF16)


def middles(dtype: Any) -> Any:
    """All numbers of a 16-bit type, the middle between each two, and the numbers of float64 just beside these."""
    words = np.arange(1 << 15, dtype=np.uint16).view(dtype)
    values = words[np.isfinite(words.astype(np.float32))].astype(np.float64)
    middle = (values[1:] + values[:-1]) / 2
    found = np.concatenate([values, middle, np.nextafter(middle, 0), np.nextafter(middle, np.inf)])
    return np.concatenate([found, -found, [np.inf, -np.inf, np.nan, 1e300, 5e-324, 2.0**128, np.finfo(np.float32).max]])


@pytest.mark.parametrize("to", TARGETS, ids=lambda to: to.name)
@pytest.mark.parametrize("around", [np.float16, BFLOAT16], ids=str)
def test_float64_is_rounded_once(to: DType, around: Any) -> None:
    """Around every number and every middle between two of them the nearer one is taken, the even one of equally near ones."""
    with np.errstate(invalid="ignore"):
        values = middles(around)
    found = converted(raw_of(values), FLOAT64, to, Workspace()).view(ORACLES[to.name])
    assert found.tobytes() == nearest(values, ORACLES[to.name]).tobytes()


@pytest.mark.parametrize("dtype", FLOATS, ids=lambda dtype: dtype.name)
@pytest.mark.parametrize("to", TARGETS, ids=lambda to: to.name)
def test_every_dtype_becomes_every_other(dtype: DType, to: DType) -> None:
    """Stored elements of any float type, in either byte order, are the nearest numbers of the other."""
    values = (np.random.default_rng(3).standard_normal(999) * 1e-2).astype(ORACLES[dtype.name])
    want = nearest(values.astype(np.float64), ORACLES[to.name]).tobytes()
    assert converted(raw_of(values), dtype, to, Workspace()).tobytes() == want
    turned = raw_of(values).reshape(-1, dtype.itemsize)[:, ::-1].ravel().copy()
    if dtype.itemsize > 1:
        assert converted(turned, swapped(dtype), to, Workspace()).tobytes() == want


@pytest.mark.parametrize("dtype", FLOATS, ids=lambda dtype: dtype.name)
def test_float64_holds_every_number(dtype: DType) -> None:
    """Widening is exact."""
    values = (np.random.default_rng(4).standard_normal(99)).astype(ORACLES[dtype.name])
    assert widened(raw_of(values), dtype, Workspace()).view(np.float64).tolist() == values.astype(np.float64).tolist()
    assert wide_type(dtype) == FLOAT64


def test_complex_parts_are_widened_each() -> None:
    """complex64 is changed as complex128, and rounded back part by part."""
    values = np.array([1 + 2j, -3.5 + 0.1j], np.complex64)
    assert wide_type(COMPLEX64) == COMPLEX128
    assert widened(raw_of(values), COMPLEX64, Workspace()).view(np.complex128).tolist() == values.tolist()
    wide = raw_of(values.astype(np.complex128) / 3)
    assert converted(wide, COMPLEX128, COMPLEX64, Workspace()).view(np.complex64).tolist() == (
        (values.astype(np.complex128) / 3).astype(np.complex64).tolist()
    )
