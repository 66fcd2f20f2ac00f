"""Complex elements are compared by moduli: how far apart they are, against how large the second is."""

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray
from support.tensors import raw_of

from gradclip_cli.numerics import products
from gradclip_cli.numerics.comparison import Comparison, compare_piece, merge
from gradclip_cli.numerics.complex_comparison import compare_complex, compare_identical
from gradclip_cli.numerics.differences import Difference, Tolerance
from gradclip_cli.numerics.dtypes import COMPLEX128, from_numpy
from gradclip_cli.numerics.norms import BLOCK
from gradclip_cli.numerics.workspace import Workspace

WORK = Workspace()
NAN, INF = math.nan, math.inf
BIG = 1.7e308


def difference(a: ArrayLike, b: ArrayLike, rtol: float = 0.0, atol: float = 0.0) -> Difference:
    """Compare two lists of complex numbers."""
    raws = raw_of(np.array(a, np.complex128)), raw_of(np.array(b, np.complex128))
    width = raws[0].size // 16
    return compare_complex(raws, (COMPLEX128, COMPLEX128), Tolerance(rtol, atol), width, WORK)[0]


def compared(a: NDArray[Any], b: NDArray[Any]) -> Comparison:
    """Compare two arrays of any dtypes."""
    dtypes = from_numpy(a.dtype), from_numpy(b.dtype)
    return merge([compare_piece(raw_of(a), raw_of(b), dtypes, Tolerance(), WORK)], dtypes)


@pytest.mark.parametrize(
    ("a", "b", "same", "max_abs", "max_rel"),
    [
        ([3 + 4j], [3 + 4j], True, 0.0, 0.0),
        ([3 + 4j], [0], False, 5.0, None),
        ([0, 1], [3 + 4j, 1], False, 5.0, 1.0),
        ([1j], [-1j], False, 2.0, 2.0),
        ([complex(-0.0, 0.0)], [complex(0.0, -0.0)], True, 0.0, None),
        ([complex(NAN, 1)], [complex(2, NAN)], True, 0.0, 0.0),
        ([complex(NAN, 1)], [1], False, NAN, NAN),
        ([complex(INF, 1)], [complex(INF, 1)], True, 0.0, 0.0),
        ([complex(INF, 1)], [complex(INF, 2)], False, INF, INF),
        ([complex(INF, NAN)], [complex(INF, NAN)], True, 0.0, 0.0),
        ([complex(INF, 1)], [complex(NAN, 1)], False, NAN, NAN),
        ([complex(0, -INF)], [0], False, INF, None),
        ([complex(NAN, 0), 3], [complex(NAN, 0), 2j], False, math.sqrt(13), math.sqrt(13) / 2),
        ([complex(BIG, BIG)], [complex(-BIG, -BIG)], False, INF, 2.0),
        ([complex(BIG, BIG)], [complex(BIG, BIG / 2)], False, BIG / 2, 0.5 / math.hypot(1, 0.5)),
        ([3e-324 + 5e-324j], [0], False, math.sqrt(2) * 5e-324, None),
        ([3e-200 + 4e-200j], [1e-200], False, math.hypot(2, 4) * 1e-200, math.hypot(2, 4)),
    ],
)
def test_figures(a: ArrayLike, b: ArrayLike, same: bool, max_abs: float, max_rel: float | None) -> None:
    """NaN equals NaN, an infinity only itself; differences are moduli, from subnormal numbers to the largest."""
    found = difference(a, b)
    assert found.same == same
    assert found.max_abs == pytest.approx(max_abs, rel=1e-15, abs=0, nan_ok=True)
    assert found.max_rel == (None if max_rel is None else pytest.approx(max_rel, rel=1e-15, abs=0, nan_ok=True))


def test_tolerances() -> None:
    """Elements are equal if |a - b| <= atol + rtol·|b|, neither part for itself."""
    assert difference([3 + 4j], [0], atol=5.0).same
    assert not difference([3 + 4j], [0], atol=4.999).same
    assert difference([2j], [2], rtol=1.4143).same
    assert not difference([2j], [2], rtol=1.4142).same
    assert difference([complex(BIG, BIG)], [complex(-BIG, -BIG)], rtol=2.0).same


@pytest.mark.parametrize("other", ["f4", "f8", "c8", "c16", ">c8", "i8", "?"])
def test_any_other_type(other: str) -> None:
    """A complex number is compared with numbers of any type, as the numbers that they are."""
    a, b = np.array([1, 2 + 1j, 0, 1]).astype("c8"), np.array([1, 1, 0, 0]).astype(other)
    for x, y in ((a, b), (b, a)):
        found = compared(x, y)
        assert (found.difference.same, found.difference.max_abs) == (False, math.sqrt(2))
        floats = from_numpy(np.dtype(other)).is_gradient
        assert (found.product is None) == (not floats)
        assert [side.norm if side is not None else None for side in (found.a, found.b)].count(None) == (not floats)


def test_large_whole_numbers() -> None:
    """A whole number that float64 does not hold is not equal to the nearest that it holds."""
    a, b = np.array([(1 << 53) + 1]), np.array([complex(1 << 53)])
    assert compared(a, b).difference == (False, 1.0, 2.0**-53)
    assert compared(b, a).difference[:2] == (False, 1.0)


@pytest.mark.parametrize("scale", [1.0, 2.0**700, 2.0**-700])
def test_the_cosine_is_of_the_real_part(scale: float) -> None:
    """The product is Re Σ conj(a)·b: what is turned by a quarter is orthogonal, and what is turned by half opposite."""
    rng = np.random.default_rng(1)
    a = rng.standard_normal(3 * BLOCK + 9) + 1j * rng.standard_normal(3 * BLOCK + 9)
    for turned, cosine in ((1j, 0.0), (-1, -1.0), (np.exp(1j), math.cos(1)), (2, 1.0)):
        found = compared(a * scale, a * turned * scale)
        assert found.a is not None
        assert found.b is not None
        assert found.product is not None
        assert products.cosine(found.a, found.b, found.product) == pytest.approx(cosine, rel=1e-12, abs=1e-15)
        assert products.ratio(found.a, found.b) == pytest.approx(abs(turned), rel=1e-12)


def test_identical_bytes_are_measured_once() -> None:
    """What is the same bit for bit has the figures of a comparison with itself, what is not finite too."""
    rng = np.random.default_rng(2)
    values = rng.standard_normal(BLOCK) + 1j * rng.standard_normal(BLOCK)
    values[5], values[6] = complex(NAN, INF), complex(1, NAN)
    raw = raw_of(values)
    quick = compare_identical(raw, COMPLEX128, BLOCK, WORK)
    slow = compare_complex((raw, raw.copy()), (COMPLEX128, COMPLEX128), Tolerance(), BLOCK, WORK)
    assert quick[0] == slow[0] == Difference(True, 0.0, 0.0)
    for a, b in zip(quick[1:3], slow[1:3], strict=True):
        assert a is not None
        assert b is not None
        assert (
            (a.nan, a.infinite, a.sums.values.tolist())
            == (b.nan, b.infinite, b.sums.values.tolist())
            == (True, True, a.sums.values.tolist())
        )
    assert quick[3] is not None
    assert slow[3] is not None
    assert quick[3].values.tolist() == slow[3].values.tolist()
    assert compare_identical(raw_of(np.zeros(3, complex)), COMPLEX128, 3, WORK)[0].max_rel is None
