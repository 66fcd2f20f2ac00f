"""Sums over samples are exact, or at least the same bits whatever the order of the samples."""

import math

import numpy as np
import pytest

from gradclip_cli.strategies import find
from gradclip_cli.strategies.actions import group_factors
from gradclip_cli.thresholds.exact_sums import column_sums, exact_sum, group_norms
from gradclip_cli.thresholds.samples import NormSamples, summaries


def steep(seed: int, *shape: int) -> np.ndarray:
    """Return numbers from 0 to 1 that lie up to 300 powers of ten apart."""
    rng = np.random.default_rng(seed)
    return rng.random(shape) * 10.0 ** -rng.integers(0, 300, shape).astype(np.float64)


@pytest.mark.parametrize("count", [0, 1, 100, 4095, 4096, 100_001])
def test_a_sum_is_that_of_fsum(count: int) -> None:
    """A sum of few and of many numbers is rounded once."""
    for values in (steep(1, count), np.random.default_rng(2).random(count), np.full(count, 5e-324), np.ones(count)):
        assert exact_sum(values) == math.fsum(values.tolist())


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("shape", [(2, 500), (700, 80), (5000, 2), (300, 1), (0, 3), (0, 100)])
def test_the_sums_of_columns(shape: tuple[int, int], wide: bool) -> None:
    """Tall, wide and empty matrices have the sums of `fsum`, added by columns or by rows."""
    matrix = np.sort(np.random.default_rng(3).random(shape), axis=0)
    assert column_sums(matrix, wide=wide).tolist() == [math.fsum(column) for column in matrix.T.tolist()]


@pytest.mark.parametrize("shape", [(40, 3), (9, 200), (6000, 2)])
def test_the_order_of_samples_changes_no_bit(shape: tuple[int, int]) -> None:
    """Summaries, and every figure over samples, are the same bits in any order."""
    rng = np.random.default_rng(4)
    matrix = np.exp(rng.standard_normal(shape) * 3)
    usual = list(summaries(matrix))
    mixed = NormSamples(rng.permutation(matrix.reshape(-1)))
    samples = NormSamples(matrix)
    for _ in range(3):
        assert list(summaries(rng.permuted(matrix, axis=0))) == usual
    assert mixed.summary() == samples.summary()
    assert mixed.energy_lost(1.5) == samples.energy_lost(1.5)
    factors = [group_factors(find("clip-by-norm"), one.finite, 1.5, 0.0) for one in (mixed, samples)]
    assert exact_sum(factors[0]) == exact_sum(factors[1])


def test_group_norms() -> None:
    """The norm of adjacent columns is that of their squares, at any magnitude, and in any order of the columns."""
    norms = np.array([[3.0, 4.0, 12.0, 5.0], [3e300, 4e300, 1e-310, 0.0], [1e308, 1.7e308, 0.0, 0.0]])
    found = group_norms(norms, [0, 2, 3])
    assert found.tolist() == [[5.0, 12.0, 5.0], [5e300, 1e-310, 0.0], [math.hypot(1e308, 1.7e308), 0.0, 0.0]]
    steps = steep(5, 4, 50)
    assert group_norms(steps, [0]).tolist() == group_norms(steps[:, ::-1], [0]).tolist()
    assert group_norms(norms, []).shape == (3, 0)


def test_group_norms_of_what_is_not_finite() -> None:
    """An overflow and an infinite norm are infinite; a NaN beside neither is NaN."""
    norms = np.array([[math.nan, 1.0], [math.nan, 0.0], [math.inf, math.nan], [1.7e308, 1.7e308]])
    np.testing.assert_array_equal(group_norms(norms, [0])[:, 0], [math.nan, math.nan, math.inf, math.inf])


@pytest.mark.parametrize("p", [0.5, 1.0, 2.0, 3.0, 64.0, math.inf])
def test_norms_of_norms_are_those_of_all_elements(p: float) -> None:
    """The P-norm of the P-norms of parts is that of the whole, as numpy computes it from all elements."""
    rng = np.random.default_rng(0)
    parts = [rng.standard_normal((4, size)) for size in (3, 5, 2)]
    norms = np.stack([np.linalg.norm(part, p, axis=1) for part in parts], axis=1)
    expected = [np.linalg.norm(np.hstack(parts[:2]), p, axis=1), np.linalg.norm(parts[2], p, axis=1)]
    np.testing.assert_allclose(group_norms(norms, [0, 2], p), np.stack(expected, axis=1), rtol=1e-13)


@pytest.mark.parametrize("p", [1.0, 3.0, math.inf])
def test_no_power_of_a_norm_overflows(p: float) -> None:
    """Norms near both ends of float64 are added as small ones are; NaN and infinities stand as in an L2 norm."""
    norms = np.array([[1e300, 1e300], [1e-300, 1e-300], [math.nan, 1.0], [math.nan, math.inf]])
    times = 1.0 if math.isinf(p) else 2 ** (1 / p)
    np.testing.assert_allclose(group_norms(norms, [0], p)[:, 0], [times * 1e300, times * 1e-300, math.nan, math.inf])


def test_a_sum_of_terms_is_that_of_fsum() -> None:
    """What is computed from many numbers part by part is added as if it had been computed at once."""
    values = np.random.default_rng(6).random(70_000)
    assert exact_sum(values, np.square) == math.fsum((values * values).tolist())


def test_groups_of_any_size_are_added_exactly() -> None:
    """Groups of one, two and more columns have the bits of `math.fsum`, over more rows than are added at once."""
    norms = np.random.default_rng(3).lognormal(0, 9, (9000, 6))
    found = group_norms(norms, [0, 1, 3])
    for row in (0, 4321, 8999):
        powers = np.ldexp(1.0, -np.frexp([norms[row, a:b].max() for a, b in ((0, 1), (1, 3), (3, 6))])[1])
        parts = [norms[row, a:b] * power for (a, b), power in zip(((0, 1), (1, 3), (3, 6)), powers, strict=True)]
        expected = [math.sqrt(math.fsum(np.square(part))) / power for part, power in zip(parts, powers, strict=True)]
        assert found[row].tolist() == expected
