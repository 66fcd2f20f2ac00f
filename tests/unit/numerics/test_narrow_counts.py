"""Floats of 16 and 8 bits are counted word by word."""

from typing import Any

import numpy as np
import pytest
from support.tensors import ORACLES, raw_of

from gradclip_cli.numerics.dtypes import BFLOAT16, FLOAT8_E4M3FNUZ, FLOAT16, FLOATS, DType, swapped
from unit.numerics.counted import count, counter_of, place, right, spread

NARROW = [dtype for dtype in FLOATS if dtype.narrow]


@pytest.mark.parametrize("dtype", NARROW, ids=lambda dtype: dtype.name)
def test_counts_are_those_of_numpy(dtype: DType) -> None:
    """Bins, signs, limits and extremes are what numpy says of the same elements."""
    array = spread(20_000, ORACLES[dtype.name])
    found, wanted = count(array, dtype), right(array)
    assert (found.bins == wanted.bins).all()
    assert found.bands.tolist() == wanted.bands
    assert found.largest is not None
    assert found.smallest is not None
    above = wanted.sizes[wanted.sizes > 0]
    sizes = np.abs(array.astype(np.float64))
    assert found.largest == (above.max(), (int(np.flatnonzero(sizes == above.max())[0]),))
    assert found.smallest == (above.min(), (int(np.flatnonzero(sizes == above.min())[0]),))
    assert found.levels is not None
    assert int(found.levels.counts.sum()) == wanted.finite.size


@pytest.mark.parametrize("dtype", NARROW, ids=lambda dtype: dtype.name)
def test_the_first_that_is_not_finite_is_found(dtype: DType) -> None:
    """The first NaN and the first infinity of either sign are known, where the dtype has any."""
    array = spread(3_000, ORACLES[dtype.name])
    values = array.astype(np.float64)

    def first(marks: Any) -> tuple[int] | None:
        return (int(np.flatnonzero(marks)[0]),) if marks.any() else None

    found = count(array, dtype)
    assert (found.nan_at, found.inf_at) == (first(np.isnan(values)), first(np.isinf(values)))


def test_subnormal_elements_are_counted() -> None:
    """What is below the smallest normal number of the own dtype, and not 0, is subnormal."""
    array = np.array([0, 2.0**-14, 2.0**-15, -(2.0**-24), 1], np.float16)
    assert count(array, FLOAT16).subnormal == 2


def test_pieces_add_up_in_any_order() -> None:
    """Counts of pieces are those of the whole; of equal extremes the first is kept."""
    array = np.tile(np.array([1, -2, 0.5, 2], ORACLES["bfloat16"]), 9)
    counter = counter_of(BFLOAT16)
    for start in (20, 0, 30, 10):
        part = array[start : start + 10]
        counter.add(raw_of(part), lambda at, marks, start=start: (start + at + int(marks.argmax()),))  # type: ignore[misc]
    found, whole = counter.counts(), count(array, BFLOAT16)
    assert (found.bins == whole.bins).all()
    assert (found.largest, found.smallest) == ((2.0, (1,)), (0.5, (2,)))


def test_byte_order_changes_nothing() -> None:
    """Elements in the other byte order are counted as the same numbers."""
    array = spread(1_000, np.float16)
    counter = counter_of(swapped(FLOAT16))
    counter.add(raw_of(array.byteswap()), place)
    found, whole = counter.counts(), count(array, FLOAT16)
    assert (found.bins == whole.bins).all()
    assert (found.largest, found.nan_at, found.bands.tolist()) == (whole.largest, whole.nan_at, whole.bands.tolist())


def test_nothing_and_only_nan_have_no_extremes() -> None:
    """Without a finite element there is no extreme and no count; the only word of FNUZ's NaN is no 0."""
    for array in (np.zeros(0), np.full(4, np.nan)):
        found = count(array.astype(ORACLES["float8_e4m3fnuz"]), FLOAT8_E4M3FNUZ)
        assert (found.largest, found.smallest, int(found.bins.sum())) == (None, None, 0)
        assert found.levels is not None
        assert int(found.levels.counts.sum()) == 0
