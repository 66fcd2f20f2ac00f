"""Cosines and ratios of norms, against exact fractions."""

import math
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray
from support.tensors import raw_of

from gradclip_cli.numerics.comparison import Comparison, compare_piece, merge, together
from gradclip_cli.numerics.differences import Difference, Tolerance
from gradclip_cli.numerics.dtypes import FLOAT64
from gradclip_cli.numerics.norms import BLOCK
from gradclip_cli.numerics.products import L2Norm, cosine, ratio, total
from gradclip_cli.numerics.workspace import Workspace

WORK = Workspace()

Wide = NDArray[np.float64]


def compared(a: Wide, b: Wide, pieces: int = 1) -> Comparison:
    """Compare two arrays in pieces of whole blocks."""
    step = -(-a.size // (BLOCK * pieces)) * BLOCK or 1
    parts = [slice(start, start + step) for start in range(0, max(a.size, 1), step)]
    both = FLOAT64, FLOAT64
    return merge([compare_piece(raw_of(a[part]), raw_of(b[part]), both, Tolerance(), WORK) for part in parts], both)


def cosine_of(a: Wide, b: Wide) -> float | None:
    """Return the cosine of two arrays."""
    found = compared(a, b)
    assert found.a is not None
    assert found.b is not None
    assert found.product is not None
    return cosine(found.a, found.b, found.product)


def ratio_of(a: Wide, b: Wide) -> float | None:
    """Return the ratio of the norms of two arrays."""
    found = compared(a, b)
    assert found.a is not None
    assert found.b is not None
    return ratio(found.a, found.b)


def exact_cosine(a: Wide, b: Wide) -> float:
    """Return the cosine from exact sums."""
    x, y = ([Fraction(float(value)) for value in side] for side in (a, b))
    dot = sum(p * q for p, q in zip(x, y, strict=True))
    square = Fraction(dot**2) / (sum(p * p for p in x) * sum(q * q for q in y))
    return math.sqrt(square) if dot > 0 else -math.sqrt(square)


def exact_ratio(a: Wide, b: Wide) -> float:
    """Return |b| / |a| to 60 digits, rounded once."""
    with localcontext() as context:
        context.prec = 60
        first, second = (sum((Decimal(float(value)) ** 2 for value in side), Decimal()) for side in (a, b))
        return float((second / first).sqrt())


@pytest.mark.parametrize("scale_b", [1.0, 1e200, 1e-200, 1e300, 1e-310, 2.0**-1060])
@pytest.mark.parametrize("scale_a", [1.0, 1e200, 1e-200, 1e300, 1e-310])
def test_cosine_and_ratio_of_any_size(scale_a: float, scale_b: float) -> None:
    """No square and no product overflows or is lost, from the largest numbers to the smallest."""
    rng = np.random.default_rng(2)
    a, b = rng.standard_normal(300) * scale_a, (rng.standard_normal(300) + 0.5) * scale_b
    assert cosine_of(a, b) == pytest.approx(exact_cosine(a, b), rel=0, abs=1e-15)
    assert ratio_of(a, b) == pytest.approx(exact_ratio(a, b), rel=1e-12, abs=0)


def test_blocks_of_very_different_sizes() -> None:
    """Blocks of which some are scaled are added as what they are."""
    rng = np.random.default_rng(3)
    sizes = np.repeat([1e300, 1.0, 1e-300], BLOCK)
    a, b = rng.standard_normal(3 * BLOCK) * sizes, rng.standard_normal(3 * BLOCK) * sizes[::-1]
    assert cosine_of(a, b) == pytest.approx(exact_cosine(a, b), rel=0, abs=1e-15)
    assert cosine_of(a, a * sizes[::-1]) == pytest.approx(exact_cosine(a, a * sizes[::-1]), rel=0, abs=1e-15)


@pytest.mark.parametrize("count", [1, 7, BLOCK, 5 * BLOCK + 3])
@pytest.mark.parametrize("factor", [1.0, 0.5, -3.0, 1e-200])
def test_cosine_of_multiples(count: int, factor: float) -> None:
    """A tensor and its multiple point in one direction, or in opposite ones, and never by more than 1."""
    a = np.random.default_rng(4).standard_normal(count)
    found = cosine_of(a, a * factor)
    assert found is not None
    assert abs(found) <= 1
    assert found == pytest.approx(math.copysign(1, factor), abs=1e-15)
    assert ratio_of(a, a * factor) == pytest.approx(abs(factor), rel=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_cosine_with_itself_is_1(seed: int) -> None:
    """The cosine of a tensor and itself is 1 to the last bit."""
    rng = np.random.default_rng(seed)
    a = rng.standard_normal(int(rng.integers(1, 3 * BLOCK))) * 10.0 ** rng.integers(-300, 300)
    assert (cosine_of(a, a), ratio_of(a, a)) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("a", "b", "quotient", "angle"),
    [
        ([0.0, 0.0], [1.0, 0.0], None, None),
        ([1.0, 0.0], [0.0, 0.0], 0.0, None),
        ([0.0, 0.0], [0.0, 0.0], None, None),
        ([], [], None, None),
        ([math.nan, 1.0], [1.0, 1.0], None, None),
        ([1.0, 1.0], [math.inf, 1.0], None, None),
        ([1.0, 0.0], [0.0, 1.0], 1.0, 0.0),
        ([3.0, 4.0], [4.0, -3.0], 1.0, 0.0),
        ([1e-200, 0.0], [0.0, 1e200], math.inf, 0.0),
    ],
)
def test_what_is_not_defined(a: list[float], b: list[float], quotient: float | None, angle: float | None) -> None:
    """Zero and what is not finite have no direction; nothing is a multiple of zero."""
    assert (ratio_of(np.array(a), np.array(b)), cosine_of(np.array(a), np.array(b))) == (quotient, angle)


def test_norms_beside_what_is_not_finite() -> None:
    """A norm is nan if there is a NaN, else inf if there is an infinity, on its own side only."""
    found = compared(np.array([math.nan, math.inf, 1.0]), np.array([3.0, 4.0, 0.0]))
    assert found.a is not None
    assert found.b is not None
    assert math.isnan(found.a.norm)
    assert found.b.norm == 5.0
    found = compared(np.array([-math.inf, 2.0]), np.array([1.0, 0.0]))
    assert found.a is not None
    assert found.a.norm == math.inf


def test_pieces_give_the_same_bits() -> None:
    """However many blocks are compared at once, the result is the same."""
    rng = np.random.default_rng(5)
    a, b = rng.standard_normal((2, 11 * BLOCK + 5))
    b[BLOCK : 2 * BLOCK] = a[BLOCK : 2 * BLOCK]
    assert compared(a, b, 1) == compared(a, b, 2) == compared(a, b, 4) == compared(a, b, 12)


def test_several_tensors_as_one_vector() -> None:
    """The norm of several tensors is that of all their elements."""
    parts = [compared(np.array(values), np.array(values)).a for values in ([3.0], [4.0, 12.0], [1e200])]
    lengths = [part for part in parts if part is not None]
    assert total(lengths[:2]).norm == 13.0
    assert total(lengths).norm == 1e200
    assert total([]).norm == 0.0


def test_comparisons_of_pieces_are_one_vector() -> None:
    """Squares and products add up, differences are the largest; a side of which a part is no gradient has no norm."""
    a, b = np.array([3.0, 4.0, 12.0]), np.array([3.0, 5.0, -12.0])
    parts = [compared(a[:2], b[:2]), compared(a[2:], b[2:])]
    found = together(parts)
    assert found.a is not None
    assert found.b is not None
    assert (found.a.norm, found.b.square, found.product) == (13.0, (0, 178.0), (0, 9.0 + 20.0 - 144.0))
    assert (found.difference.same, found.difference.max_abs, found.difference.max_rel) == (False, 24.0, 2.0)
    assert found.distance is not None
    assert found.distance.square == (0, 1.0 + 24.0**2)
    mixed = together([parts[0], parts[1]._replace(b=None, product=None, distance=None)])
    assert (mixed.a, mixed.b, mixed.product, mixed.distance) == (found.a, None, None, None)
    none = L2Norm((0, 0.0))
    assert together([]) == Comparison(Difference(), none, none, (0, 0.0), none)
