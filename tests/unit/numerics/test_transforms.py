"""Stored elements are scaled, limited and cleaned as plain numpy in float64 does it."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.tensors import ORACLES, gradients, raw_of

from gradclip_cli.numerics import dtypes
from gradclip_cli.numerics.chunks import CHUNK
from gradclip_cli.numerics.dtypes import DType, Raw, from_numpy
from gradclip_cli.numerics.norms import BLOCK
from gradclip_cli.numerics.transforms import byteswap, clamp, scale, scale_apart, zero_nonfinite
from gradclip_cli.numerics.workspace import Workspace

WORK = Workspace()

every = pytest.mark.parametrize("dtype", dtypes.FLOATS, ids=lambda dtype: dtype.name)
wide = pytest.mark.parametrize("dtype", [dtypes.FLOAT64, dtypes.FLOAT32], ids=lambda dtype: dtype.name)
narrow = pytest.mark.parametrize(
    "dtype", [dtype for dtype in dtypes.FLOATS if dtype.itemsize < 4], ids=lambda dtype: dtype.name
)


def scaled(
    values: NDArray[Any], dtype: DType, factor: float, numerator: float = 0.0, denominator: float = 0.0
) -> NDArray[Any]:
    """The values as `scale` leaves them."""
    raw = raw_of(values)
    scale(raw, dtype, factor, numerator, denominator, WORK)
    return raw.view(values.dtype)


def finite_numbers(dtype: DType) -> NDArray[np.float64]:
    """Every finite number of a narrow float, in order."""
    with np.errstate(invalid="ignore"):
        every = (
            np.arange(1 << (8 * dtype.itemsize))
            .astype(f"u{dtype.itemsize}")
            .view(ORACLES[dtype.name])
            .astype(np.float64)
        )
    return np.unique(every[np.isfinite(every)])


@wide
@pytest.mark.parametrize("factor", [0.1, 1 / 3, 0.999999999, 1e-30, 7.5])
def test_wide_elements_are_rounded_once(dtype: DType, factor: float) -> None:
    """Each element is the float64 product with the float64 factor, rounded once to its dtype, subnormals included."""
    values = np.concatenate([gradients(999, dtype.name), gradients(999, dtype.name, scale=1e-38)])
    expected = (values.astype(np.float64) * factor).astype(dtype.name)
    assert scaled(values, dtype, factor).tobytes() == expected.tobytes()


def test_the_factor_is_not_rounded_to_float32() -> None:
    """A factor between two float32 numbers counts with all its digits."""
    factor, values = 1 + 2.0**-30, np.array([1, 2.0**23 + 1, -16777215], np.float32)
    expected = [float(np.float32(float(value) * factor)) for value in values]
    assert scaled(values, dtypes.FLOAT32, factor).tolist() == expected


@narrow
@pytest.mark.parametrize("factor", [0.1, 1 / 3, 0.7071067811865476, 0.01])
def test_narrow_elements_are_rounded_to_the_nearest(dtype: DType, factor: float) -> None:
    """Every value of a 16-bit or 8-bit float times a factor goes to the nearest number of its dtype (0.51 ulp)."""
    numbers = finite_numbers(dtype)
    found = scaled(numbers.astype(ORACLES[dtype.name]), dtype, factor).astype(np.float64)
    exact = numbers * factor
    above = np.clip(np.searchsorted(numbers, exact), 1, len(numbers) - 1)
    gap = numbers[above] - numbers[above - 1]
    assert (np.abs(found - exact) <= 0.51 * gap).all()


@every
def test_the_factor_one_changes_no_bit(dtype: DType) -> None:
    """Multiplying by 1 gives every finite element back, minus zero too."""
    values = np.concatenate([gradients(500, dtype.name), np.array([0.0, -0.0]).astype(ORACLES[dtype.name])])
    assert scaled(values, dtype, 1.0).tobytes() == values.tobytes()


@wide
def test_an_infinite_norm_makes_zero_of_what_is_finite(dtype: DType) -> None:
    """With the factor c / inf = 0 infinities become NaN and the rest zero, as IEEE arithmetic says."""
    values = np.array([1, -2, np.inf, -np.inf, np.nan], dtype.name)
    np.testing.assert_array_equal(scaled(values, dtype, 0.0, 1.0, math.inf), [0, 0, np.nan, np.nan, np.nan])


@every
def test_a_nan_norm_makes_all_nan(dtype: DType) -> None:
    """With a NaN for a factor every element becomes NaN, zeros too."""
    values = np.array([1, -2, 0]).astype(ORACLES[dtype.name])
    assert np.isnan(scaled(values, dtype, math.nan, 1.0, math.nan).astype(np.float64)).all()


def test_a_tiny_norm_loses_no_digit() -> None:
    """Where 1 / n overflows, the elements are divided by n itself."""
    values = np.array([5e-324, -1e-323, 0.0])
    assert scaled(values, dtypes.FLOAT64, math.inf, 1.0, 1e-323).tolist() == [0.5, -1.0, 0.0]


def test_a_subnormal_factor_keeps_its_digits() -> None:
    """Where c / n is subnormal, the elements are still right to the last bits."""
    (found,) = scaled(np.array([1e300]), dtypes.FLOAT64, 3e-10 / 1e300, 3e-10, 1e300).tolist()
    assert found == pytest.approx(3e-10, rel=1e-15)


@pytest.mark.parametrize("bits", [0x7F800001, 0xFFC01234])
def test_nan_of_any_payload_is_scaled_without_a_warning(bits: int) -> None:
    """A signalling NaN stays a NaN, quietly."""
    assert np.isnan(scaled(np.array([bits, 0], np.uint32).view(np.float32), dtypes.FLOAT32, 0.5)[0])


@every
def test_big_values_are_limited(dtype: DType) -> None:
    """What is above the limit becomes ±limit rounded to the dtype, the rest keeps its bits, and the count is that of |g| > c."""
    values = gradients(2000, dtype.name)
    exact = values.astype(np.float64)
    raw = raw_of(values)
    count = clamp(raw, dtype, 0.7, keep_infinite=False, work=WORK)
    expected = np.where(np.abs(exact) > 0.7, np.sign(exact) * 0.7, exact).astype(ORACLES[dtype.name])
    assert raw.tobytes() == expected.tobytes()
    assert count == int((np.abs(exact) > 0.7).sum())


@wide
def test_the_limit_itself_is_not_clipped(dtype: DType) -> None:
    """An element equal to the limit is left as it is, and one just above it is not."""
    above = np.nextafter(np.array(1.5, dtype.name), np.array(2, dtype.name))
    raw = raw_of(np.array([1.5, -1.5, above, -above], dtype.name))
    assert clamp(raw, dtype, 1.5, keep_infinite=False, work=WORK) == 2
    assert raw.view(dtype.name).tolist() == [1.5, -1.5, 1.5, -1.5]


def test_the_limit_is_compared_in_float64() -> None:
    """An element above a limit that float32 cannot hold is clipped, though it rounds to the same float32."""
    raw = raw_of(np.array([0.1], np.float32))
    assert clamp(raw, dtypes.FLOAT32, 0.1, keep_infinite=False, work=WORK) == 1


@pytest.mark.parametrize(
    ("keep", "expected", "count"), [(False, [2, -2, 1, 2], 3), (True, [math.inf, -math.inf, 1, 2], 1)]
)
def test_infinities_are_limited_or_kept(keep: bool, expected: list[float], count: int) -> None:
    """Infinities become ±c unless they are to be kept; NaN stays in either case."""
    raw = raw_of(np.array([np.inf, -np.inf, 1, 9, np.nan]))
    assert clamp(raw, dtypes.FLOAT64, 2.0, keep, WORK) == count
    found = raw.view(np.float64)
    assert found[:4].tolist() == expected
    assert math.isnan(found[4])


@every
def test_nan_is_never_limited(dtype: DType) -> None:
    """NaN is neither above nor below a limit, without a warning whatever its payload."""
    raw = raw_of(np.full(3, np.nan).astype(ORACLES[dtype.name]))
    assert clamp(raw, dtype, 0.5, keep_infinite=False, work=WORK) == 0


def test_a_signalling_nan_is_limited_without_a_warning() -> None:
    """bfloat16's signalling NaN, which gradients may hold, is compared quietly."""
    raw = raw_of(np.array([0x7F81, 0x4000], np.uint16))
    assert clamp(raw, dtypes.BFLOAT16, 1.0, keep_infinite=False, work=WORK) == 1


@every
def test_nonfinite_elements_become_zero(dtype: DType) -> None:
    """NaN and infinities become +0, everything else keeps its bits."""
    values = np.array([1.5, np.nan, -np.inf, np.inf, -0.0, -2]).astype(ORACLES[dtype.name])
    raw = raw_of(values)
    zero_nonfinite(raw, dtype, WORK)
    expected = np.array([1.5, 0, 0, 0, -0.0, -2]).astype(ORACLES[dtype.name])
    assert raw.tobytes() == expected.tobytes()


@pytest.mark.parametrize("code", [">f4", ">f8", ">f2"])
def test_big_endian_elements_are_scaled_in_place(code: str) -> None:
    """Elements in the other byte order are scaled as numbers and stay in that order."""
    values = np.array([1.5, -2, 300]).astype(code)
    raw = raw_of(values)
    scale(raw, from_numpy(values.dtype), 0.5, 0.5, 1.0, WORK)
    assert raw.tobytes() == (values * 0.5).astype(code).tobytes()


@pytest.mark.parametrize("code", [">f4", ">f8"])
def test_big_endian_elements_are_limited_in_place(code: str) -> None:
    """The limit is written in the byte order of its neighbours."""
    raw = raw_of(np.array([1.5, -20, 0.1]).astype(code))
    assert clamp(raw, from_numpy(np.dtype(code)), 1.0, keep_infinite=False, work=WORK) == 2
    assert raw.view(code).tolist() == np.array([1, -1, 0.1]).astype(code).tolist()


@pytest.mark.parametrize("code", ["f2", "f4", "f8", "c8", "c16", "i4", "i1", "?"])
def test_bytes_are_turned_around(code: str) -> None:
    """Each element, and each half of a complex one, is turned as numpy turns it."""
    values = np.arange(5).astype(code)
    raw = raw_of(values)
    byteswap(raw, from_numpy(values.dtype))
    assert raw.tobytes() == values.byteswap().tobytes()


@pytest.mark.parametrize("dtype", [dtypes.FLOAT8_E4M3FNUZ, dtypes.FLOAT8_E5M2FNUZ], ids=lambda dtype: dtype.name)
@pytest.mark.parametrize("count", [4, 1 << 19])
def test_what_underflows_in_fnuz_is_zero_and_no_nan(dtype: DType, count: int) -> None:
    """Negative numbers that are scaled, or limited, to zero become 0x00, by arithmetic as by a table; NaN stays 0x80."""
    raw = np.resize(np.array([0x81, 0xFF, 0x80, 0x01], np.uint8), count)
    limited = raw.copy()
    scale(raw, dtype, 1e-12, 1e-12, 1.0, WORK)
    assert set(raw[0::4]) | set(raw[1::4]) | set(raw[3::4]) == {0x00}
    assert set(raw[2::4]) == {0x80}
    assert clamp(limited, dtype, 1e-12, keep_infinite=False, work=WORK) == count * 3 // 4
    assert limited.tobytes() == raw.tobytes()


@pytest.mark.parametrize("size", [1, BLOCK - 1, BLOCK, CHUNK - 1, CHUNK, CHUNK + 1, 4 * CHUNK])
@pytest.mark.parametrize("dtype", [*dtypes.FLOATS, *(dtypes.swapped(one) for one in dtypes.FLOATS if one.itemsize > 1)])
def test_every_chunk_is_changed(dtype: DType, size: int) -> None:
    """Each element of a piece is scaled, limited and cleaned once, wherever a chunk ends, in either byte order."""
    oracle = ORACLES[dtype.name]
    values = np.random.default_rng(size).standard_normal(size).astype(oracle)
    exact = values.astype(np.float64)

    def after(change: Callable[[Raw], object], given: NDArray[Any]) -> tuple[object, NDArray[Any]]:
        words = given.view(f"u{dtype.itemsize}")
        raw = raw_of(words.byteswap() if dtype.swapped else words)
        found = change(raw)
        left = raw.view(words.dtype)
        return found, (left.byteswap() if dtype.swapped else left).view(oracle).astype(np.float64)

    _, scaled = after(lambda raw: scale(raw, dtype, 0.5, 0.5, 1.0, WORK), values)
    np.testing.assert_array_equal(scaled, (exact * 0.5).astype(oracle).astype(np.float64))
    number, limited = after(lambda raw: clamp(raw, dtype, 0.25, False, WORK), values)
    np.testing.assert_array_equal(limited, np.clip(exact, -0.25, 0.25))
    assert number == np.count_nonzero(np.abs(exact) > 0.25)
    values[:: BLOCK // 2] = np.nan
    _, cleaned = after(lambda raw: zero_nonfinite(raw, dtype, WORK), values)
    np.testing.assert_array_equal(cleaned, np.where(np.isnan(values.astype(np.float64)), 0, exact))


@every
@pytest.mark.parametrize("limit", [0.0, 1e-3, 0.3, 0.7, 5.0, 1e30])
@pytest.mark.parametrize("nonfinite", [False, True])
def test_a_limit_between_two_numbers(dtype: DType, limit: float, nonfinite: bool) -> None:
    """What is above the limit becomes the limit rounded to the dtype, up or down, beside NaN as without it."""
    values = np.concatenate([gradients(500, dtype.name), gradients(500, dtype.name, scale=1e-3)])
    values[7] = np.nan if nonfinite else 0
    exact = values.astype(np.float64)
    raw = raw_of(values)
    above = np.abs(exact) > limit
    assert clamp(raw, dtype, limit, False, WORK) == np.count_nonzero(above)
    with np.errstate(over="ignore"):
        nearest = np.array(limit).astype(ORACLES[dtype.name]).astype(np.float64)
    rounded = np.where(above, np.copysign(nearest, exact), exact)
    np.testing.assert_array_equal(raw.view(ORACLES[dtype.name]).astype(np.float64), rounded)


@pytest.mark.parametrize("factors", [(1.5, 0.3), (1e-310, 0.5)])
@pytest.mark.parametrize("dtype", ["f2", "f4", ">f4", "f8", "c8", "c16", "bfloat16"])
def test_elements_beyond_a_limit_have_a_factor_of_their_own(dtype: str, factors: tuple[float, float]) -> None:
    """What is above the limit, complex numbers by their moduli, is multiplied by one factor, the rest by another, rounded once."""
    kind, rng = np.dtype(ORACLES.get(dtype, dtype)), np.random.default_rng(4)
    values = rng.standard_normal(CHUNK + 9) * (1 if kind.kind != "c" else 1 + 2j)
    values = values.astype(kind)
    exact = values.astype(np.complex128 if kind.kind == "c" else np.float64)
    limit = float(np.abs(exact[5]))
    above = np.abs(exact) > limit
    raw = raw_of(values)
    found = scale_apart(raw, from_numpy(kind), limit, (factors[0], 1.0), (factors[1], 1.0), WORK)
    expected = exact * np.where(above, factors[1], factors[0])
    assert found == np.count_nonzero(above)
    np.testing.assert_array_equal(raw.view(kind), expected.astype(kind))
