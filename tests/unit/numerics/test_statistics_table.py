"""Columns of statistics say what their rows would."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from support.tensors import exact_norm, gradients, stats_of

from gradclip_cli.engine.measure import NormTypes
from gradclip_cli.numerics import dtypes, norms
from gradclip_cli.numerics.statistics import TensorStats
from gradclip_cli.numerics.statistics_arrays import StatsArrays
from gradclip_cli.numerics.statistics_table import StatsTable, concatenate

TYPES = (0.5, 1.0, 2.0, 3.0, math.inf)
ARRAYS = [gradients(size, "float64", seed=size, scale=10.0**-size) for size in (1, 50, 0, 200, 3)]


def columns_of(arrays: list[NDArray[np.float64]], types: NormTypes = TYPES) -> StatsTable:
    """Return the statistics of arrays, under the indices 2, 4, 6 and so on."""
    return StatsTable.of(
        {2 + 2 * k: stats_of(array, dtypes.FLOAT64, types) for k, array in enumerate(arrays)}, len(types)
    )


def test_rows_are_kept() -> None:
    """What is put in by rows comes out by rows, with and without gaps between the indices."""
    rows = {k: stats_of(array, dtypes.FLOAT64, TYPES) for k, array in enumerate(ARRAYS)}
    assert dict(StatsTable.of(rows, len(TYPES))) == rows
    assert dict(columns_of(ARRAYS)) == {2 + 2 * k: row for k, row in rows.items()}


def test_what_is_not_there() -> None:
    """A tensor that was not measured is not there, before the first, between and after the last."""
    found, without_gaps = columns_of(ARRAYS), StatsTable([5, 6], StatsArrays.empty(2, 1))
    assert [index in found for index in (0, 2, 3, 12)] == [False, True, False, False]
    assert [without_gaps.row(index) for index in (4, 5, 6, 7)] == [-1, 0, 1, -1]
    for index in (0, 3, 12):
        with pytest.raises(KeyError):
            found[index]


@pytest.mark.parametrize("p", TYPES)
def test_tensors_together_have_the_norm_of_all_their_elements(p: float) -> None:
    """Statistics of several tensors together are those of their elements, in any order to the bit."""
    columns = columns_of(ARRAYS, (p,))
    found, turned = columns.merge_groups([[2, 4, 6, 8], [8, 6, 4, 2]], (p,)).values()
    assert found == turned
    everything = np.concatenate(ARRAYS[:4])
    assert (found.elements, found.max_abs) == (everything.size, np.abs(everything).max())
    assert norms.norm(found.sums[0], p) == pytest.approx(exact_norm(everything.tolist(), p), rel=1e-11, abs=0)


@pytest.mark.parametrize("scale", [1.0, 1e200])
def test_groups_are_as_each_alone(scale: float) -> None:
    """A group of one tensor is that tensor, beside groups of several; powers that were scaled are added as such."""
    columns = columns_of([array * scale for array in ARRAYS])
    groups = [[4], [2, 6], [10, 8, 4]]
    found = columns.merge_groups(groups, TYPES)
    assert found[0] == columns[4]
    assert list(found.values()) == [next(iter(columns.merge_groups([one], TYPES).values())) for one in groups]
    assert columns.total(TYPES) == columns.merge_groups([list(columns)], TYPES)[0]


def test_nothing_together_is_nothing() -> None:
    """No tensor at all has no elements, and norm 0 of each type."""
    found = StatsTable([], StatsArrays.empty(0, 2)).total((2.0, 1.0))
    assert (found.elements, found.max_abs, [norms.norm(scaled, 2.0) for scaled in found.sums]) == (0, 0, [0, 0])
    assert not StatsTable([], StatsArrays.empty(0, 2)).merge_groups([], (2.0, 1.0))


@pytest.mark.parametrize("which", range(len(TYPES)))
@pytest.mark.parametrize("scale", [1.0, 1e200, 1e-200])
def test_norms_of_columns_have_the_bits_of_norms_of_rows(which: int, scale: float) -> None:
    """All norms at once are those that each row has."""
    columns = columns_of([array * scale for array in ARRAYS])
    expected = [norms.norm(row.sums[which], TYPES[which]) for row in columns.values()]
    assert columns.norms(which, TYPES[which]).tolist() == expected


def test_figures_as_read() -> None:
    """A figure as read is NaN where a NaN is, else infinite where an infinity is, as it is of each row."""
    rows = [
        TensorStats(nan=1, posinf=1),
        TensorStats(neginf=1),
        TensorStats(posinf=1),
        TensorStats(elements=3, zeros=2),
    ]
    columns = StatsTable.of(dict(enumerate(rows)), 0)
    assert repr(columns.as_read(np.full(4, 1.5)).tolist()) == repr([row.as_read(1.5) for row in rows])
    assert columns.nonfinite.tolist() == [row.nonfinite for row in rows] == [2, 1, 1, 0]
    assert columns.with_nonfinite() == [0, 1, 2]
    assert (columns.elements.tolist(), columns.zeros.tolist()) == ([0, 0, 0, 3], [0, 0, 0, 2])


def test_some_are_replaced() -> None:
    """Rows of other columns take the place of those that are there too; what was there stays as it was."""
    before, other = (
        columns_of(ARRAYS),
        StatsTable.of({index: TensorStats(elements=7, sums=((0, 0.0),) * 5) for index in (4, 5)}, 5),
    )
    known = dict(before)
    found = before.updated_by(other)
    assert dict(found) == known | {4: other[4]}
    assert dict(before) == known


def test_few_of_very_many_are_replaced() -> None:
    """A step of a series in one file is looked up in what became of the whole file, which is not gone through for each step."""
    step, every = columns_of(ARRAYS), StatsTable(range(10**12), StatsArrays.empty(13, 5))
    assert list(step.updated_by(every).values()) == [every[0]] * len(step)


def test_only_some_are_taken() -> None:
    """Of tensors that are asked for, those that were measured are kept."""
    columns = columns_of(ARRAYS)
    assert dict(columns.only([1, 4, 5, 6, 99])) == {4: columns[4], 6: columns[6]}


def test_files_are_joined() -> None:
    """Tensors of several files are counted through."""
    first, second = columns_of(ARRAYS[:2]), columns_of(ARRAYS[2:])
    assert dict(concatenate([(0, first), (10, second)])) == {
        **first,
        **{10 + index: row for index, row in second.items()},
    }
    assert dict(concatenate([(0, first)])) == dict(first)


@pytest.mark.parametrize("scale", [1.0, 65536.0, 3.0])
def test_norms_and_largest_elements_are_divided_by_the_loss_scale(scale: float) -> None:
    """Rows, columns, groups, parts and totals have the norms of the stored elements, divided by one scale."""
    plain = columns_of(ARRAYS)
    table = plain.scaled(scale)
    assert (table[2].max_abs, table.stored_max_abs.tolist()) == (plain[2].max_abs / scale, plain.max_abs.tolist())
    assert table.max_abs.tolist() == [value / scale for value in plain.max_abs.tolist()]
    for which, p in enumerate(TYPES):
        expected = [value / scale for value in plain.norms(which, p).tolist()]
        assert table.norms(which, p).tolist() == expected
        assert [row.norm(which, p) for row in table.values()] == expected
        assert table.only([4, 8]).norms(which, p).tolist() == expected[1:4:2]
        assert table.updated_by(plain.only([2])).norms(which, p).tolist() == expected
        together = plain.merge_groups([[2, 8]], TYPES)[0].norm(which, p) / scale
        assert table.merge_groups([[2, 8]], TYPES)[0].norm(which, p) == together
        assert table.total(TYPES).norm(which, p) == plain.total(TYPES).norm(which, p) / scale


def test_what_all_rows_have_together() -> None:
    """Counts are summed, and the largest |x| is that of any row; filling a row changes them."""
    values = np.array([1.0, -7.0, 0.0, np.inf, np.nan])
    found = columns_of([np.zeros(2), values])
    assert found.overall == ((7, 3, 1, 1, 0), 7.0, True)  # a power other than 1 and 2 is scaled by the largest element
    assert not found.all_finite
    found.put([4], found.only([2]).block)
    assert found.overall == ((4, 4, 0, 0, 0), 0.0, False)
    assert found.all_finite


def test_the_total_of_no_tensor() -> None:
    """A dump without gradients has nothing of everything."""
    assert columns_of([]).total((2.0, math.inf)) == TensorStats(sums=((0, 0.0), (0, 0.0)))
