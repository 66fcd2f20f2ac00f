"""Sums along rows are added in one order, written out here in plain Python."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from gradclip_cli.numerics.sums import sum_powers, sum_products
from gradclip_cli.numerics.workspace import Workspace

WORK = Workspace()

WIDTHS = (1, 2, 7, 8, 9, 127, 128, 129, 136, 257, 1000, 4097, 8191, 8192)
widths = pytest.mark.parametrize("width", WIDTHS)


def pairwise(terms: list[float]) -> float:
    """Add as numpy does: halves of whole eights down to 128 terms, and those in eight sums side by side."""
    count = len(terms)
    if count < 8:
        total = 0.0
        for term in terms:
            total += term
        return total
    if count > 128:
        half = count // 2 // 8 * 8
        return pairwise(terms[:half]) + pairwise(terms[half:])
    whole = count // 8 * 8
    r = [pairwise_column(terms[k:whole:8]) for k in range(8)]
    total = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]))
    for term in terms[whole:]:
        total += term
    return total


def pairwise_column(terms: list[float]) -> float:
    """Add one of the eight sums, first to last."""
    total = terms[0]
    for term in terms[1:]:
        total += term
    return total


def steep(*shape: int, seed: int = 0) -> NDArray[np.float64]:
    """Numbers whose sum depends on the order in which they are added."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal(shape) * 10.0 ** rng.integers(-3, 3, shape)


@widths
def test_products_are_added_in_the_order_written_here(width: int) -> None:
    """Each product is rounded, and the products of a row are added pairwise."""
    a, b = steep(3, width), steep(3, width, seed=1)
    expected = [
        pairwise([x * y for x, y in zip(*rows, strict=True)]) for rows in zip(a.tolist(), b.tolist(), strict=True)
    ]
    assert sum_products(a, b, WORK).tolist() == expected


@widths
def test_first_powers_are_added_in_the_same_order(width: int) -> None:
    """The 1-norm of a row of magnitudes is added pairwise, into an array that is given or a new one."""
    rows, out = np.abs(steep(3, width)), np.empty(3)
    expected = [pairwise(row) for row in rows.tolist()]
    assert sum_powers(rows, 1.0, WORK).tolist() == expected
    sum_powers(rows, 1.0, WORK, out=out)
    assert out.tolist() == expected


def test_the_order_matters() -> None:
    """The rows of these tests come out otherwise when they are added first to last, so that the order is really tested."""
    squares = [x * x for x in steep(1, 8192)[0].tolist()]
    assert pairwise(squares) != pairwise_column(squares)


@widths
@pytest.mark.parametrize("p", [1.0, 2.0, 3.0])
def test_a_row_is_the_same_beside_others(p: float, width: int) -> None:
    """The sum of a row does not depend on how many are added at once."""
    rows = steep(70 if width > 1000 else 300, width)
    alone = [sum_powers(row[None], p, WORK)[0] for row in rows]
    assert sum_powers(rows, p, WORK).tolist() == alone
    assert sum_powers(rows[5:], p, WORK).tolist() == alone[5:]


@pytest.mark.parametrize("count", [4, 9])
@pytest.mark.parametrize("lay", ["turned", "strided", "unaligned", "reversed"])
def test_the_layout_changes_no_bit(lay: str, count: int) -> None:
    """Rows in column-major order, with gaps, off the boundaries of a word or back to front give the same sums."""
    rows = steep(count, 1001)
    apart = np.zeros((2 * count, 2002))
    apart[::2, ::2] = rows
    shifted = np.frombuffer(b"\0" + rows.tobytes(), np.float64, offset=1).reshape(rows.shape)
    assert not shifted.flags.aligned
    laid = {
        "turned": np.asfortranarray(rows),
        "strided": apart[::2, ::2],
        "unaligned": shifted,
        "reversed": np.ascontiguousarray(rows[::-1, ::-1])[::-1, ::-1],
    }[lay]
    assert sum_products(laid, laid, WORK).tolist() == sum_products(rows, rows, WORK).tolist()
    assert sum_powers(laid, 1.0, WORK).tolist() == sum_powers(rows, 1.0, WORK).tolist()


@widths
@pytest.mark.parametrize("p", [1.0, 2.0, 3.0])
def test_float32_is_widened_first(p: float, width: int) -> None:
    """Rows of float32, few or many, have the sums of the same numbers as float64, and are left as they are."""
    rows = steep(70 if width > 1000 else 3, width).astype(np.float32)
    before, wide = rows.copy(), rows.astype(np.float64)
    assert sum_powers(rows, p, WORK).tolist() == sum_powers(wide, p, WORK).tolist()
    np.testing.assert_array_equal(rows, before)


@pytest.mark.parametrize("size", [16, 1 << 12, 1 << 20])
def test_the_size_of_numpys_buffers_changes_no_bit(size: int) -> None:
    """A program that has set numpy's buffers gets the same sums."""
    rows = steep(9, 8192)
    usual, before = sum_products(rows, rows, WORK).tolist(), np.setbufsize(size)
    try:
        assert sum_products(rows, rows, WORK).tolist() == usual
        assert np.getbufsize() == size
    finally:
        np.setbufsize(before)


@pytest.mark.parametrize("shape", [(0, 5), (3, 0), (0, 0)])
def test_nothing_adds_up_to_zero(shape: tuple[int, int]) -> None:
    """Rows without elements have the sum 0, and no rows have no sums."""
    assert sum_products(np.zeros(shape), np.zeros(shape), WORK).tolist() == [0.0] * shape[0]
    assert sum_powers(np.zeros(shape), 1.0, WORK).tolist() == [0.0] * shape[0]


@pytest.mark.parametrize("width", [3, 8192])
def test_sums_outlive_the_next_call(width: int) -> None:
    """What is returned does not lie in memory that is used again."""
    first = sum_products(np.ones((2, width)), np.ones((2, width)), WORK)
    sum_products(np.zeros((2, width)), np.zeros((2, width)), WORK)
    assert first.tolist() == [width, width]


def test_nan_is_not_lost() -> None:
    """A NaN makes the sum of its row NaN."""
    assert math.isnan(sum_products(np.array([[math.nan]]), np.ones((1, 1)), WORK)[0])
