"""Norms of units are exact to the promised digits, with the same bits for any pieces."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.generated import few
from support.oracle import unit_norms

from gradclip_cli.inputs.unit_axis import FIRST, LAST
from gradclip_cli.numerics import unit_sums
from gradclip_cli.numerics.dtypes import from_numpy
from gradclip_cli.numerics.norms import BLOCK
from gradclip_cli.numerics.unit_layout import UnitLayout
from gradclip_cli.numerics.unit_norms import UnitSums
from gradclip_cli.numerics.unit_sums import INFINITE, NAN, measure_units
from gradclip_cli.numerics.workspace import Workspace

WORK = Workspace()


def summed(array: NDArray[Any], axis: str, blocks: int = 64) -> UnitSums:
    """The sums of an array that is read so many blocks at a time."""
    layout, dtype, flat = UnitLayout.of(array.shape, first=axis == FIRST), from_numpy(array.dtype), array.reshape(-1)
    found = UnitSums(layout)
    for start in range(0, flat.size, blocks * BLOCK):
        part = flat[start : start + blocks * BLOCK]
        raw = part.copy().view(np.uint8)
        found.add(measure_units(raw, dtype, start, layout, bool(np.isfinite(part).all()), WORK))
    return found


def wide_range(shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
    """Numbers of which some have squares beyond float64, where the dtype has such."""
    rng = np.random.default_rng(3)
    array = rng.standard_normal(shape).astype(dtype)
    if np.dtype(dtype).itemsize >= 8 and dtype != "c8":
        array.reshape(-1)[::97] *= 1e-200
        array.reshape(-1)[5::1013] *= 1e250
    return array


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "c8", "c16", ">f4"])
@pytest.mark.parametrize("axis", [FIRST, LAST])
@pytest.mark.parametrize(
    "shape", [(3, 5), (101, 300), (7, 30_000), (30_000, 7), (2, 270_000), (270_000, 2), (60, 3, 3, 3)], ids=str
)
def test_norms_agree_with_numpy_for_any_pieces(shape: tuple[int, ...], axis: str, dtype: str) -> None:
    """Each norm is that of its elements to 1e-12, and has the same bits however many blocks are read at once."""
    array = wide_range(shape, dtype)
    found = summed(array, axis).norms()
    np.testing.assert_allclose(found, unit_norms(array, axis).reshape(-1), rtol=1e-12)
    assert all(np.array_equal(summed(array, axis, blocks).norms(), found) for blocks in (1, 3, 33, 100))


@pytest.mark.parametrize("axis", [FIRST, LAST])
def test_cells_of_many_pieces(axis: str) -> None:
    """A tensor of several cells, none of which ends where a row does, has the same norms for any pieces."""
    array = wide_range((2 * unit_sums.CELL // 999 + 3, 999), "f4")
    found = [summed(array, axis, blocks).norms() for blocks in (64, 1, 7, 200)]
    np.testing.assert_allclose(found[0], unit_norms(array, axis).reshape(-1), rtol=1e-12)
    assert all(np.array_equal(one, found[0]) for one in found)


@pytest.mark.parametrize("dtype", ["f2", ">f2"])
@pytest.mark.parametrize("axis", [FIRST, LAST])
def test_float16_has_the_same_sums_beside_infinities(axis: str, dtype: str) -> None:
    """Squares of finite float16 come from their bits, of others from a table of all values: both are exact."""
    array = np.arange(1 << 16, dtype=np.uint16).view(np.float16)[: 31 << 10].reshape(31, 1024).astype(dtype)
    layout, raw = UnitLayout.of(array.shape, first=axis == FIRST), array.reshape(-1).view(np.uint8)
    found = [UnitSums(layout), UnitSums(layout)]
    for sums, finite in zip(found, (True, False), strict=True):
        sums.add(measure_units(raw, from_numpy(array.dtype), 0, layout, finite, WORK))
    np.testing.assert_array_equal(found[0].norms(), found[1].norms())
    np.testing.assert_allclose(found[0].norms(), unit_norms(array, axis).reshape(-1), rtol=1e-12)


@given(
    shape=st.lists(st.integers(0, 7), max_size=5).map(tuple),
    axis=st.sampled_from([FIRST, LAST]),
    bad=st.lists(st.tuples(st.integers(0, 10_000), st.sampled_from([np.nan, np.inf, -np.inf, 0.0])), max_size=4),
)
@few(80)
def test_what_is_not_finite_is_left_out_and_marked(
    shape: tuple[int, ...], axis: str, bad: list[tuple[int, float]]
) -> None:
    """Norms are of the finite elements; a unit with NaN or an infinity is marked, and no other."""
    array = np.random.default_rng(1).standard_normal(shape)
    flat = array.reshape(-1)
    for place, value in bad if flat.size else []:
        flat[place % flat.size] = value
    if not flat.size:
        return
    found, layout = summed(array, axis), UnitLayout.of(shape, first=axis == FIRST)
    units = layout.unit_of(np.arange(flat.size))
    marks = np.zeros(layout.units, int)
    np.bitwise_or.at(marks, units, np.isnan(flat) * NAN + np.isinf(flat) * INFINITE)
    assert (found.marks if found.marks is not None else np.zeros(layout.units)).tolist() == marks.tolist()
    wanted = unit_norms(np.where(np.isfinite(array), array, 0.0), axis).reshape(-1)
    np.testing.assert_allclose(found.norms(), wanted, rtol=1e-13)


def test_pieces_of_other_files_add_up() -> None:
    """The sums of pieces, each with its first unit, are those of the whole, and so are the marks."""
    array = wide_range((6, 50), "f8")
    array[4, 3] = np.nan
    whole, both = summed(array, FIRST), UnitSums(UnitLayout.of(array.shape, first=True))
    for first in (0, 2):
        both.merge(summed(array[first : first + (2 if not first else 4)], FIRST), first)
    assert both.marks is not None
    assert whole.marks is not None
    assert both.marks.tolist() == whole.marks.tolist() == [0, 0, 0, 0, NAN, 0]
    np.testing.assert_array_equal(both.norms(4.0), whole.norms(4.0))
