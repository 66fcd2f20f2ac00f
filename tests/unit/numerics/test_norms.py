"""Norms are exact to the promised digits, whatever the magnitudes and the order of the parts."""

import math
import random
from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray
from support.tensors import exact_norm

from gradclip_cli.numerics import norms
from gradclip_cli.numerics.norms import ScaledSum
from gradclip_cli.numerics.workspace import Workspace

WORK = Workspace()

TYPES = (0.1, 0.5, 1.0, 1.5, 2.0, 3.0, 64.0, math.inf)
types = pytest.mark.parametrize("p", TYPES)


def power_of(rows: NDArray[np.float64], p: float) -> ScaledSum:
    """The sum of powers of magnitudes over all rows."""
    sizes = np.abs(rows)
    exponents, sums = norms.block_sums(sizes, p, sizes.max(axis=1, initial=0), WORK)
    return norms.total_blocks([exponents], [sums], p)


def norm_of(values: NDArray[np.float64], p: float) -> float:
    """The norm of values in one block."""
    return norms.norm(power_of(values[None], p), p)


@types
@pytest.mark.parametrize("scale", [1.0, 1e200, 1e-200, 1e300, 1e-300, 2.0**-1060])
def test_a_norm_is_right_at_any_magnitude(p: float, scale: float) -> None:
    """A norm agrees with 60-digit arithmetic to 1e-12 (1e-10 for unusual types), where squares would overflow too."""
    values = np.random.default_rng(0).standard_normal(300) * scale
    assert norm_of(values, p) == pytest.approx(
        exact_norm(values.tolist(), p), rel=1e-12 if p in (1, 2, math.inf) else 1e-10, abs=0
    )


@types
def test_magnitudes_of_all_kinds_together(p: float) -> None:
    """Blocks from 1e-300 to 1e300 are added without loss."""
    rows = np.random.default_rng(1).standard_normal((7, 40)) * 10.0 ** np.array(
        [[-300], [-160], [-5], [0], [3], [160], [300]]
    )
    found = norms.norm(power_of(rows, p), p)
    assert found == pytest.approx(
        exact_norm(rows.ravel().tolist(), p), rel=1e-12 if p in (1, 2, math.inf) else 1e-10, abs=0
    )


def test_a_small_block_beside_a_scaled_one_counts() -> None:
    """A block that is scaled up and one that is not add up as their squares do."""
    rows = np.array([[3e-150, 0.0], [4e-150, 0.0], [2.0**-481, 0.0]])
    expected = sum(Fraction(value) ** 2 for value in rows.ravel().tolist())
    found = Fraction(norms.norm(power_of(rows, 2.0), 2.0)) ** 2
    assert abs(found / expected - 1) < 1e-15


@pytest.mark.parametrize("p", [1.0, 2.0, math.inf])
def test_one_subnormal_is_its_own_norm(p: float) -> None:
    """The norm of a single element is its size, to the last subnormal."""
    assert norm_of(np.array([-5e-324, 0.0]), p) == 5e-324


@types
def test_zeros_and_nothing_have_norm_zero(p: float) -> None:
    """A block of zeros and an empty block have the norm 0."""
    assert norm_of(np.zeros(5), p) == 0
    assert norm_of(np.zeros(0), p) == 0
    assert norms.norm(norms.total([], p), p) == 0


@types
def test_the_order_of_the_parts_changes_no_bit(p: float) -> None:
    """Sums of many parts are the same to the bit in any order."""
    rows = np.random.default_rng(2).standard_normal((50, 30)) * np.exp2(
        np.random.default_rng(3).integers(-700, 700, (50, 1))
    )
    parts = [power_of(row[None], p) for row in rows]
    expected = norms.total(parts, p)
    for seed in range(5):
        assert norms.total(random.Random(seed).sample(parts, len(parts)), p) == expected


@types
def test_a_block_is_the_same_beside_others(p: float) -> None:
    """What a block adds does not depend on the blocks that are computed with it."""
    rows = np.abs(np.random.default_rng(4).standard_normal((6, 111))) * [[1], [1e-200], [1], [1e200], [0], [1e-310]]
    peaks = rows.max(axis=1)
    exponents, values = norms.block_sums(rows, p, peaks, WORK)
    for k, row in enumerate(rows):
        one = norms.block_sums(row[None].copy(), p, peaks[k : k + 1], WORK)
        assert (int(exponents[k]), float(values[k])) == (int(one[0][0]), float(one[1][0]))


def test_a_total_is_rounded_once() -> None:
    """Parts that cancel nothing but rounding are added as by math.fsum."""
    values = [1.0, *[2.0**-53] * 1000]
    assert norms.total([(0, value) for value in values], 2.0) == (0, math.fsum(values))


def test_a_norm_above_the_range_is_infinite() -> None:
    """Two of the largest numbers have a norm that float64 cannot hold."""
    assert norm_of(np.array([1.7e308, 1.7e308]), 2.0) == math.inf


@types
@pytest.mark.parametrize("power", [-1074, -1060, -1023, -700, 0, 700, 1000])
def test_scaling_a_block_rounds_like_ldexp(p: float, power: int) -> None:
    """A block near any power of two is scaled by the exponent of its largest element with the bits of `math.ldexp`."""
    rows = np.ldexp(1 + np.random.default_rng(5).random((1, 300)), power)
    exponents, values = norms.block_sums(rows, p, rows.max(axis=1), WORK)
    scaled = np.array([[math.ldexp(x, -int(exponents[0])) for x in rows[0].tolist()]])
    terms = scaled if p in (1.0, math.inf) else scaled * scaled if p == 2.0 else np.power(scaled, p)
    assert values[0] == (rows.max() if p == math.inf else np.add.reduce(terms, axis=1)[0])


@pytest.mark.parametrize("limit", [1e-250, 1e-3, 0.5, 1e200, math.inf])
@pytest.mark.parametrize("scale", [1e-200, 1.0, 1e200])
@pytest.mark.parametrize("squared", [False, True])
def test_sums_of_limited_elements(squared: bool, scale: float, limit: float) -> None:
    """Σ min(|x|, c) · |x| and Σ min(|x|, c)² are exact to 1e-12, though squares leave the range of float64."""
    kind = norms.ClippedSum(limit, squared)
    rows = np.random.default_rng(1).standard_normal((3, 500)) * scale
    exponents, values = norms.block_sums(rows, kind, np.abs(rows).max(axis=1), WORK)
    exponent, value = norms.total(zip(exponents.tolist(), values.tolist(), strict=True), kind)
    sizes = [Fraction(float(x)) for x in np.abs(rows).flat]
    cut = [min(x, Fraction(limit)) if limit < math.inf else x for x in sizes]
    exact = sum((y * (y if squared else x) for x, y in zip(sizes, cut, strict=True)), Fraction())
    found = Fraction(value) * Fraction(2) ** (exponent * (2 if squared else 1))
    assert abs(found / exact - 1) < Fraction(1, 10**12)


@pytest.mark.parametrize("p", [1.0, 2.0, 3.0, math.inf])
@pytest.mark.parametrize("exponent", [0, 600, -600])
def test_a_norm_is_divided_by_the_loss_scale(exponent: int, p: float) -> None:
    """The quotient is that of float64, whether or not a sum was scaled, and only that must be in the range of float64."""
    plain = norms.norm((exponent, 7.25), p)
    for scale in (65536.0, 3.0, 1e-3, 12345.678):
        assert norms.norm((exponent, 7.25), p, scale) == plain / scale
    assert norms.norm((1030, 1.0), p) == math.inf
    assert norms.norm((1030, 1.0), p, 3 * 2.0**20) == 2.0**1010 / 3


@pytest.mark.parametrize("limit", [0.1, 0.7, 1.0, 1e-300, 3.3e300, math.nextafter(1.0, 0.0)])
@pytest.mark.parametrize("scale", [3.0, 65536.0, 0.1, 12345.678, 1e-7])
def test_a_limit_on_stored_elements(limit: float, scale: float) -> None:
    """An element is above the limit on stored elements if and only if its quotient is above the true one."""
    stored = norms.stored_limit(limit, scale)
    assert stored / scale <= limit < math.nextafter(stored, math.inf) / scale
    assert stored == pytest.approx(limit * scale, rel=4e-16)
    assert norms.stored_limit(math.inf, scale) == math.inf
    assert norms.stored_limit(limit, 1.0) == limit
