"""How far apart elements are, against numpy and against whole numbers of any size."""

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.tensors import raw_of

from gradclip_cli.numerics.differences import Difference, Tolerance, difference, merge_differences, numbers
from gradclip_cli.numerics.dtypes import FLOAT64, from_numpy
from gradclip_cli.numerics.workspace import Buffer, Workspace

WORK = Workspace()
NAN, INF = math.nan, math.inf
BIG = float(np.finfo(np.float64).max)
TINY = 5e-324


def compared(a: NDArray[Any], b: NDArray[Any], rtol: float = 0.0, atol: float = 0.0) -> Difference:
    """Compare two arrays of native dtypes."""
    x, y = (numbers(raw_of(array), from_numpy(array.dtype), Buffer(), WORK) for array in (a, b))
    return difference(x, y, Tolerance(rtol, atol), WORK)[0]


def of_floats(a: list[float], b: list[float], rtol: float = 0.0, atol: float = 0.0) -> Difference:
    """Compare two lists of float64."""
    return compared(np.array(a), np.array(b), rtol, atol)


@pytest.mark.parametrize(
    ("a", "b", "same", "max_abs", "max_rel"),
    [
        ([1.0, 2.0], [1.0, 2.0], True, 0.0, 0.0),
        ([1.0, 3.0], [1.0, 2.0], False, 1.0, 0.5),
        ([0.0, -0.0], [-0.0, 0.0], True, 0.0, None),
        ([1.0], [0.0], False, 1.0, None),
        ([1.0, 5.0], [0.0, 4.0], False, 1.0, 0.25),
        ([NAN], [NAN], True, 0.0, 0.0),
        ([INF, -INF], [INF, -INF], True, 0.0, 0.0),
        ([INF], [-INF], False, INF, INF),
        ([INF], [1.0], False, INF, INF),
        ([1.0], [INF], False, INF, INF),
        ([INF], [0.0], False, INF, None),
        ([NAN], [1.0], False, NAN, NAN),
        ([1.0], [NAN], False, NAN, NAN),
        ([NAN, 3.0], [0.0, 2.0], False, NAN, 0.5),
        ([NAN, 3.0], [NAN, 2.0], False, 1.0, 0.5),
        ([INF, NAN, 1.0], [1.0, 1.0, 1.0], False, NAN, NAN),
        ([TINY], [0.0], False, TINY, None),
        ([2 * TINY], [TINY], False, TINY, 1.0),
        ([1.0], [TINY], False, 1.0, INF),
        ([BIG], [-BIG], False, INF, 2.0),
        ([BIG, 1.0], [-BIG, 2.0], False, INF, 2.0),
    ],
)
def test_figures(a: list[float], b: list[float], same: bool, max_abs: float, max_rel: float | None) -> None:
    """NaN equals NaN, zeros have no sign, an infinity is its own equal only; b = 0 counts in no relative difference."""
    np.testing.assert_equal(tuple(of_floats(a, b)), (same, max_abs, max_rel))


@pytest.mark.parametrize(
    ("a", "b", "rtol", "atol", "same"),
    [
        (1.5, 1.0, 0.5, 0.0, True),
        (1.5, 1.0, math.nextafter(0.5, 0), 0.0, False),
        (1.0, 1.5, 0.5, 0.0, True),
        (1.0, 2.0, 0.5, 0.0, True),
        (2.0, 1.0, 0.5, 0.0, False),
        (0.25, 0.0, 0.0, 0.25, True),
        (0.25, 0.0, 1e9, math.nextafter(0.25, 0), False),
        (2.0, 1.0, 0.5, 0.5, True),
        (TINY, 0.0, 0.0, TINY, True),
        (INF, 1.0, 1e300, 1e300, False),
        (1.0, INF, 1e300, 1e300, False),
        (-INF, INF, 1e300, 1e300, False),
        (NAN, 1.0, 1e300, 1e300, False),
        (1.0, NAN, 1e300, 1e300, False),
        (BIG, -BIG, 2.0, 0.0, True),
        (BIG, -BIG, 1.75, 0.0, False),
        (BIG, -BIG, 1.0, BIG, True),
        (BIG, -BIG, 0.0, BIG, False),
        (BIG, -BIG, 1e300, 0.0, True),
    ],
)
def test_tolerance_at_its_boundary(a: float, b: float, rtol: float, atol: float, same: bool) -> None:
    """Elements are equal if |a - b| <= atol + rtol·|b|, the boundary included, and no tolerance reaches what is not finite."""
    assert of_floats([a], [b], rtol, atol).same is same
    assert of_floats([1.0, a], [1.0, b], rtol, atol).same is same


@pytest.mark.parametrize(("rtol", "atol"), [(0.0, 0.0), (1e-2, 0.0), (0.0, 1e-2), (1e-2, 1e-3), (1.0, 1.0)])
def test_tolerance_is_that_of_numpy(rtol: float, atol: float) -> None:
    """Element by element, what is equal is what `numpy.isclose` says, NaN taken for equal."""
    rng = np.random.default_rng(1)
    b = rng.standard_normal(500)
    b[:6] = NAN, INF, -INF, 0.0, 1.0, NAN
    a = b + np.where(rng.random(500) < 0.5, 0, rng.standard_normal(500) * 10.0 ** rng.integers(-6, 1, 500))
    a[:6] = NAN, INF, INF, -0.0, NAN, 1.0
    found = [of_floats([x], [y], rtol, atol).same for x, y in zip(a, b, strict=True)]
    assert found == np.isclose(a, b, rtol, atol, equal_nan=True).tolist()


WHOLE: list[tuple[str, int]] = [
    *[
        ("int64", k)
        for k in (0, -1, 2**53, 2**53 + 1, -(2**53) - 1, 2**62 + 1, 2**63 - 1, 2**63 - 2, -(2**63), 1 - 2**63)
    ],
    *[("uint64", k) for k in (0, 2**53 + 1, 2**63, 2**63 + 1, 2**64 - 1, 2**64 - 2)],
    *[("int32", -(2**31)), ("uint8", 255), ("bool", 1)],
]


@pytest.mark.parametrize(("kind_a", "a"), WHOLE)
def test_whole_numbers_are_exact(kind_a: str, a: int) -> None:
    """Whole numbers of any type are equal if and only if they are the same number, and differences are right to a rounding."""
    for kind_b, b in WHOLE:
        found = compared(np.array([a]).astype(kind_a), np.array([b]).astype(kind_b))
        relative = float(Fraction(abs(a - b), abs(b))) if b else None
        assert found.same is (a == b), (kind_b, b)
        assert found.max_abs == pytest.approx(abs(a - b), rel=1e-15, abs=0), (kind_b, b)
        assert found.max_rel == (pytest.approx(relative, rel=1e-15, abs=0) if b else None), (kind_b, b)


@pytest.mark.parametrize("whole", [2**53 + 1, 2**62 + 1, -(2**62) - 1, 7])
def test_whole_numbers_against_floats(whole: int) -> None:
    """A whole number equals a float if and only if it is the same number."""
    rounded = float(whole)
    assert compared(np.array([whole]), np.array([rounded])).same is (whole == int(rounded))
    assert compared(np.array([rounded]), np.array([whole])).max_abs == abs(whole - int(rounded))


def test_bools_are_0_and_1() -> None:
    """A stored bool of any other byte than 0 is 1."""
    raw = np.array([0, 1, 2, 255], np.uint8)
    assert numbers(raw, from_numpy(np.dtype(bool)), Buffer(), WORK).values.tolist() == [0, 1, 1, 1]


def test_swapped_bytes_are_the_same_numbers() -> None:
    """Big-endian elements are compared as the numbers that they stand for."""
    for dtype in ("f8", "f4", "f2", "i8", "u8", "i2"):
        array = np.array([1, 2, 300]).astype(dtype)
        assert compared(array, array.astype(f">{dtype}")).same


def test_worst_of_none() -> None:
    """Nothing is equal to nothing."""
    assert merge_differences([]) == Difference(True, 0.0, None)


def test_worst_of_several() -> None:
    """The largest figures count, NaN above all; what is not defined in one piece is taken from the others."""
    a, b, c = Difference(True, 1.0, None), Difference(False, 0.5, 2.0), Difference(False, NAN, 1.0)
    assert merge_differences([a, b]) == (False, 1.0, 2.0)
    np.testing.assert_equal(tuple(merge_differences([b, c, a])), (False, NAN, 2.0))


def test_operands_are_left_alone() -> None:
    """Comparing changes neither side."""
    a, b = np.array([1.0, -2.0]), np.array([0.0, -3.0])
    x, y = (numbers(raw_of(array), FLOAT64, Buffer(), WORK) for array in (a, b))
    difference(x, y, Tolerance(), WORK)
    assert [x.values.tolist(), y.values.tolist()] == [a.tolist(), b.tolist()]
