"""Complex elements are limited in their direction, and cleaned whole."""

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.tensors import raw_of

from gradclip_cli.numerics.complex_transforms import clamp_complex, zero_nonfinite_complex
from gradclip_cli.numerics.dtypes import from_numpy
from gradclip_cli.numerics.transforms import clamp, scale, scale_each, zero_nonfinite
from gradclip_cli.numerics.workspace import Workspace

WORK = Workspace()
NAN, INF = math.nan, math.inf
CODES = ["<c8", ">c8", "<c16", ">c16"]


def clamped(values: NDArray[Any], limit: float, keep_infinite: bool = False) -> tuple[NDArray[Any], int]:
    """Limit an array; return it and how many elements were replaced."""
    raw = raw_of(values)
    count = clamp_complex(raw, from_numpy(values.dtype), limit, keep_infinite, WORK)
    return raw.view(values.dtype), count


@pytest.mark.parametrize("code", CODES)
def test_moduli_are_limited(code: str) -> None:
    """What is above the limit gets its modulus and keeps its direction; all else keeps every bit."""
    rng = np.random.default_rng(0)
    values = (rng.standard_normal(70_001) + 1j * rng.standard_normal(70_001)).astype(code)
    found, count = clamped(values, 0.75)
    wide, above = values.astype(np.complex128), np.abs(values.astype(np.complex128)) > 0.75
    assert count == np.count_nonzero(above)
    assert found[~above].tobytes() == values[~above].tobytes()
    near = 2.0**-23 if "8" in code else 2.0**-50
    np.testing.assert_allclose(found[above], (wide / np.abs(wide) * 0.75)[above], rtol=near)
    assert np.abs(found.astype(np.complex128)).max() <= 0.75 * (1 + near)


def test_a_part_is_rounded_once() -> None:
    """A part of complex64 is the float64 product rounded to the nearest float32."""
    values = np.array([1 + 1j, -3 + 4j, 1e30 + 1e-30j], np.complex64)
    found, _ = clamped(values, 0.1)
    wide = values.astype(np.complex128)
    expected = [np.float32(part) for z in (wide / np.abs(wide)) for part in (z.real * 0.1, z.imag * 0.1)]
    assert found.view(np.float32).tolist() == [float(part) for part in expected]


def test_at_the_limit_nothing_changes() -> None:
    """An element is replaced if its modulus is above the limit, not if it equals it."""
    values = np.array([3 + 4j, -0.0 - 5j, 0j])
    found, count = clamped(values, 5.0)
    assert (count, found.tobytes()) == (0, values.tobytes())
    assert clamped(values, math.nextafter(5, 0))[1] == 2


@pytest.mark.parametrize("code", CODES)
def test_what_is_not_finite(code: str) -> None:
    """NaN stays; an infinity becomes the limit in its direction, is NaN where that is unknown, and stays if it is kept."""
    values = np.array(
        [complex(NAN, 9), complex(INF, 7), complex(-INF, -INF), complex(NAN, -INF), complex(7, -0.0)], code
    )
    found, count = clamped(values, math.sqrt(2))
    wanted = [NAN, 9, math.sqrt(2), 0, -1, -1, NAN, NAN, math.sqrt(2), -0.0]
    real = values.real.dtype
    np.testing.assert_allclose(found.view(real), np.array(wanted, real), rtol=2.0**-23)
    assert count == 4
    kept, count = clamped(values, math.sqrt(2), keep_infinite=True)
    assert count == 1
    assert kept[:4].tobytes() == values[:4].tobytes()


def test_an_infinite_limit_changes_nothing() -> None:
    """Nothing is above an infinite limit, not even infinity."""
    values = np.array([complex(INF, 1), complex(1e300, 1e300), complex(NAN, INF)])
    found, count = clamped(values, INF)
    assert (count, found.tobytes()) == (0, values.tobytes())


@pytest.mark.parametrize("size", [5e-324, 1e-300, 1e300, 4e307])
@pytest.mark.parametrize("limit", [1e-310, 1e-290, 1.0])
def test_directions_of_any_size(size: float, limit: float) -> None:
    """The direction of the smallest and of the largest numbers is right, whatever their squares do."""
    found, count = clamped(np.array([3 + 4j]) * size, limit)
    assert count == (5 * size > limit)
    if count:
        np.testing.assert_allclose(found.view(np.float64), [0.6 * limit, 0.8 * limit], rtol=1e-15, atol=5e-324)


@pytest.mark.parametrize("code", CODES)
def test_what_is_not_finite_becomes_zero_whole(code: str) -> None:
    """A part that is finite goes with the other."""
    values = np.array([complex(NAN, 1), complex(2, INF), complex(-INF, NAN), complex(3, -4), -0.0], code)
    raw = raw_of(values)
    zero_nonfinite_complex(raw, from_numpy(values.dtype), WORK)
    assert raw.view(values.dtype).tobytes() == np.array([0, 0, 0, complex(3, -4), -0.0], code).tobytes()


@pytest.mark.parametrize("code", CODES)
def test_the_common_functions_take_complex_numbers(code: str) -> None:
    """`scale`, `scale_each`, `clamp` and `zero_nonfinite` know complex elements by their dtype."""
    dtype, values = from_numpy(np.dtype(code)), np.array([3 + 4j, complex(0, INF), 0.25j], code)
    raw = raw_of(values)
    scale(raw, dtype, 0.5, 0.5, 1.0, WORK)
    assert raw.view(code).tolist() == [1.5 + 2j, complex(0, INF), 0.125j]
    scale_each(raw, dtype, [2.0, 4.0], [2, 1], WORK)
    assert raw.view(code).tolist() == [3 + 4j, complex(0, INF), 0.5j]
    zero_nonfinite(raw, dtype, WORK)
    assert clamp(raw, dtype, 1.0, False, WORK) == 1
    np.testing.assert_allclose(raw.view(code), [0.6 + 0.8j, 0, 0.5j], rtol=2.0**-23)


def test_a_factor_that_is_no_normal_number() -> None:
    """A factor that has lost its digits is a quotient: each part is divided, then multiplied."""
    raw = raw_of(np.array([complex(1e300, -2e300), complex(INF, 1e300)]))
    scale(raw, from_numpy(np.dtype("c16")), 0.0, 5e-324, 1e300, WORK)
    assert raw.view(np.float64).tolist() == [5e-324, -1e-323, INF, 5e-324]
