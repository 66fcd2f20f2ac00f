"""Stored elements are counted, and lose their signs, as integers."""

import numpy as np
import pytest
from support.matrices import crossed
from support.tensors import ORACLES

from gradclip_cli.numerics import dtypes
from gradclip_cli.numerics.dtypes import DType, swapped, to_float64
from gradclip_cli.numerics.scanning import Scan, count, overflow, without_signs
from gradclip_cli.numerics.workspace import Workspace

WORK = Workspace()
EVERY = [*dtypes.FLOATS, *(swapped(dtype) for dtype in dtypes.FLOATS if dtype.itemsize > 1)]
NARROW = [dtype for dtype in dtypes.FLOATS if dtype.itemsize < 4]
every = pytest.mark.parametrize("dtype", EVERY, ids=lambda dtype: f"{dtype.name}{'-swapped' * dtype.swapped}")


def words_of(values: list[float], dtype: DType) -> np.ndarray:
    """Return numbers as stored words."""
    words = np.array(values).astype(ORACLES[dtype.name]).view(f"u{dtype.itemsize}")
    return words.byteswap() if dtype.swapped else words


@pytest.mark.parametrize("dtype", NARROW, ids=lambda dtype: dtype.name)
def test_every_narrow_float_loses_its_sign(dtype: DType) -> None:
    """Of all words of 8 and 16 bits, the numbers without a sign, the zeros and what is not finite are right."""
    words = np.arange(1 << (8 * dtype.itemsize), dtype=f"u{dtype.itemsize}")
    with np.errstate(invalid="ignore"):  # signalling NaN
        exact = words.view(ORACLES[dtype.name]).astype(np.float64)
    scan = Scan(dtype, WORK, signs=False)
    found = scan.values(words)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.where(np.isfinite(exact), np.abs(exact), 0))
    kinds = exact == 0, np.isnan(exact), exact == np.inf, exact == -np.inf
    assert scan.counts == tuple(np.count_nonzero(kind) for kind in kinds)
    assert scan.max_abs == np.abs(exact[np.isfinite(exact)]).max()


@every
@pytest.mark.parametrize("signs", [False, True])
def test_zeros_of_either_sign_are_counted(dtype: DType, signs: bool) -> None:
    """0 and -0 count, in one chunk as in another, beside the largest |x|, which may be negative."""
    scan = Scan(dtype, WORK, signs)
    chunks = [[0.0, 1.0, -2.0], [3.0, -0.0, 0.0, -6.0], [0.5], [-0.5], [0.0], [-0.0]]
    for chunk in chunks:
        found = np.abs(scan.values(words_of(chunk, dtype)))
        assert found.tolist() == [abs(x) for x in chunk]
    assert (scan.counts, scan.max_abs) == ((5, 0, 0, 0), 6.0)


@pytest.mark.parametrize(("dtype", "signs"), crossed([one for one in EVERY if not one.variant], [False, True]))
def test_what_is_not_finite_becomes_zero(dtype: DType, signs: bool) -> None:
    """NaN and infinities are counted, set to 0, no zeros, and leave the stored words alone."""
    scan, words = Scan(dtype, WORK, signs), words_of([1, np.nan, -4, np.inf, -np.inf, 0, -np.inf], dtype)
    before = words.copy()
    assert np.abs(scan.values(words)).tolist() == [1, 0, 4, 0, 0, 0, 0]
    assert (scan.counts, scan.max_abs) == ((1, 1, 1, 2), 4.0)
    np.testing.assert_array_equal(words, before)


@pytest.mark.parametrize(
    ("values", "exact"), [([1e-17, 2.0], True), ([1e-19], False), ([2e18], False), ([0, 1], False)]
)
def test_squares_of_bfloat16_may_leave_the_range_of_float32(values: list[float], exact: bool) -> None:
    """Squares are exact from 2^-60 to 2^60; beside a zero nobody knows."""
    scan = Scan(dtypes.BFLOAT16, WORK, signs=False)
    scan.values(words_of(values, dtypes.BFLOAT16))
    assert scan.exact_squares is exact


@pytest.mark.parametrize("dtype", [one for one in NARROW if one.exponent < 8], ids=lambda dtype: dtype.name)
def test_other_narrow_floats_have_exact_squares(dtype: DType) -> None:
    """Float32 holds the square of each finite float16 and float8."""
    words = np.arange(overflow(dtype), dtype=f"u{dtype.itemsize}")
    scan = Scan(dtype, WORK, signs=False)
    values = scan.values(words)
    assert scan.exact_squares
    np.testing.assert_array_equal((values * values).astype(np.float64), to_float64(words, dtype) ** 2)


@every
def test_rows_are_counted_apart(dtype: DType) -> None:
    """Along an axis each row has counts of its own."""
    words = words_of([1, 0, np.nan, np.nan, -0.0, 0], dtype).reshape(3, 2)
    size = without_signs(words, dtype, WORK)
    zeros, nan, *_ = count(size, words, dtype, WORK, axis=1)
    assert (zeros.tolist(), nan.tolist()) == ([1, 0, 2], [0, 2, 0])
