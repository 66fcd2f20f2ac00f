"""Float32, float64 and complex numbers are counted by the bits of their magnitudes."""

from typing import Any

import numpy as np
import pytest
from support.tensors import ORACLES, raw_of

from gradclip_cli.numerics.dtypes import COMPLEX64, COMPLEX128, FLOAT32, FLOAT64, DType, swapped
from gradclip_cli.numerics.norms import BLOCK
from unit.numerics.counted import CASTS, count, counter_of, place, right, spread


@pytest.mark.parametrize("dtype", [FLOAT32, FLOAT64], ids=lambda dtype: dtype.name)
@pytest.mark.parametrize(("low", "high"), [(-46, 6), (-6, 0), (-2, -1)])
def test_counts_are_those_of_numpy(dtype: DType, low: float, high: float) -> None:
    """Bins, signs, limits and extremes are what numpy says of the same elements, subnormal ones too."""
    array = spread(20_000, ORACLES[dtype.name], low=low, high=high)
    found, wanted = count(array, dtype), right(array)
    assert (found.bins == wanted.bins).all()
    assert found.bands.tolist() == wanted.bands
    sizes, above = np.abs(array.astype(np.float64)), wanted.sizes[wanted.sizes > 0]
    assert found.largest == (above.max(), (int(np.flatnonzero(sizes == above.max())[0]),))
    assert found.smallest == (above.min(), (int(np.flatnonzero(sizes == above.min())[0]),))
    assert found.nan_at == (int(np.flatnonzero(np.isnan(sizes))[0]),)
    assert found.inf_at == (int(np.flatnonzero(np.isinf(sizes))[0]),)
    assert found.subnormal == np.count_nonzero(above < np.finfo(dtype.name).tiny)


def test_what_a_limit_holds_is_counted_to_the_last_bit() -> None:
    """Numbers at a limit of a narrower dtype, and next to it, are on the right side of it."""
    limits = [2.0**-25, 2.0**-14, 2.0**-14 * (1 - 2.0**-12), 65520, 2.0**-10, 2.0**-6 * 0.9375, 464, 2.0**-17, 61440]
    near = [float(np.nextafter(np.float32(x), np.float32(way))) for x in limits for way in (0, np.inf)]
    for some in ([*limits, *near], limits, near, [2.0**-25], [65520.0]):
        array = np.array(some, np.float32)
        assert count(array, FLOAT32).bands.tolist() == right(array).bands


@pytest.mark.parametrize("size", [1, 7, BLOCK, BLOCK + 1, 3 * BLOCK + 5])
def test_pieces_add_up_in_any_order(size: int) -> None:
    """Counts of pieces are those of the whole."""
    array = spread(max(size, 9), np.float32)
    counter = counter_of(FLOAT32)
    for start in reversed(range(0, array.size, BLOCK)):
        part = array[start : start + BLOCK]
        counter.add(raw_of(part), lambda at, marks, start=start: (start + at + int(marks.argmax()),))  # type: ignore[misc]
    found, whole = counter.counts(), count(array, FLOAT32)
    assert (found.bins == whole.bins).all()
    assert (found.bands == whole.bands).all()
    assert found[2:] == whole[2:]


def test_byte_order_changes_nothing() -> None:
    """Elements in the other byte order are counted as the same numbers."""
    array = spread(1_000, np.float64)
    counter = counter_of(swapped(FLOAT64))
    counter.add(raw_of(array.byteswap()), place)
    found, whole = counter.counts(), count(array, FLOAT64)
    assert (found.bins == whole.bins).all()
    assert found[2:] == whole[2:]


def test_zeros_alone_and_nothing_have_no_extremes() -> None:
    """Where no element is above 0, there is no extreme and no bin."""
    for array in (np.zeros(0), np.array([0.0, -0.0]), np.full(3, np.nan)):
        found = count(array.astype(np.float32), FLOAT32)
        assert (found.largest, found.smallest, int(found.bins.sum())) == (None, None, 0)
        assert not found.bands.any()


@pytest.mark.parametrize("dtype", [COMPLEX64, COMPLEX128], ids=lambda dtype: dtype.name)
def test_complex_numbers_count_by_their_moduli(dtype: DType) -> None:
    """Bins and extremes are of |z|; limits are those of the larger part, since both parts would be stored."""
    rng = np.random.default_rng(3)
    parts = spread(4_000, dtype.part.name, low=-12, high=5)
    array: Any = np.stack([parts[rng.permutation(4_000)], parts], axis=1).reshape(-1).view(dtype.name)
    found = count(array, dtype)
    wide = array.astype(np.complex128)
    infinite = np.isinf(wide.real) | np.isinf(wide.imag)
    nan = ~infinite & np.isnan(wide)
    finite = wide[~infinite & ~nan]
    sizes = np.abs(finite)
    assert int(found.bins.sum()) == np.count_nonzero(sizes)
    assert found.bins[1].sum() == 0
    assert found.largest is not None
    assert found.largest.value == pytest.approx(sizes.max(), rel=1e-15)
    assert (found.nan_at, found.inf_at) == ((int(np.flatnonzero(nan)[0]),), (int(np.flatnonzero(infinite)[0]),))
    larger = np.maximum(np.abs(finite.real), np.abs(finite.imag))
    with np.errstate(over="ignore", under="ignore"):
        for row, kind in zip(found.bands.tolist(), CASTS, strict=True):
            cast = larger.astype(kind).astype(np.float64)
            assert row[0] == np.count_nonzero((cast == 0) & (larger > 0))
            assert row[2] == np.count_nonzero(~np.isfinite(cast))


def test_a_modulus_above_float64_is_no_infinity() -> None:
    """What is finite in both parts is counted in the last bin, not as an infinity."""
    found = count(np.array([1.7e308 + 1.7e308j]), COMPLEX128)
    assert (found.inf_at, int(found.bins.sum())) == (None, 1)


@pytest.mark.parametrize(
    "last", [0.0, 2.0**-25, -(2.0**-10), 2.0**-14 * (1 - 2.0**-12), 65520.0, 1e-44, float("nan"), float("inf")]
)
@pytest.mark.parametrize("dtype", [FLOAT32, FLOAT64], ids=lambda dtype: dtype.name)
def test_limits_are_counted_wherever_the_elements_are(dtype: DType, last: float) -> None:
    """Of more elements than are looked at at a time, the very last counts as the others do, and so do those of a second piece."""
    array = (np.random.default_rng(7).standard_normal(150_001) * 1e-3).astype(dtype.name)
    array[-1] = last
    wanted = right(array)
    whole, counter = count(array, dtype), counter_of(dtype)
    counter.add(raw_of(array[:90_000]), place)
    counter.add(raw_of(array[90_000:]), lambda at, marks: place(at + 90_000, marks))
    sizes = np.where(np.isfinite(array), np.abs(array.astype(np.float64)), 0.0)
    for found in (whole, counter.counts()):
        assert (found.bins == wanted.bins).all()
        assert found.bands.tolist() == wanted.bands
        assert found.largest == (sizes.max(), (int(sizes.argmax()),))
        least = np.where(sizes > 0, sizes, np.inf)
        assert found.smallest == (least.min(), (int(least.argmin()),))
