"""Thresholds of a slider: what each does to norms."""

import numpy as np
import pytest

from gradclip_cli.thresholds.effects import clip_effects


@pytest.mark.parametrize("epsilon", [0.0, 0.25])
def test_figures_are_those_of_the_formula(epsilon: float) -> None:
    """Counts, mean factors and kept squares are those of min(1, C / (n + ε)) in plain numpy."""
    norms = np.exp(np.random.default_rng(0).normal(0, 1, 200))
    norms[[3, 7]] = 0.0
    thresholds = [0.01, 0.5, float(norms[5]) + epsilon, 2.0, 1e3]
    for threshold, effect in zip(thresholds, clip_effects(norms, thresholds, epsilon), strict=True):
        factors = np.minimum(1.0, threshold / (norms + epsilon + 1e-300))
        assert effect.threshold == threshold
        assert effect.clipped == np.count_nonzero(norms + epsilon > threshold)
        assert effect.mean_factor == pytest.approx(factors.mean(), rel=1e-12)
        assert effect.kept == pytest.approx(np.square(norms * factors).sum() / np.square(norms).sum(), rel=1e-12)


def test_squares_of_huge_and_tiny_norms_are_finite() -> None:
    """Norms whose squares overflow or vanish have the figures of others of the same ratios."""
    usual = clip_effects(np.array([1.0, 4.0]), [2.0])[0]
    for scale in (1e300, 1e-300):
        found = clip_effects(np.array([1.0, 4.0]) * scale, [2.0 * scale])[0]
        assert found[1:] == pytest.approx(usual[1:])


def test_zeros_are_kept() -> None:
    """Where all norms are 0, nothing is clipped and nothing is lost."""
    assert clip_effects(np.zeros(3), [1.0])[0] == (1.0, 0, 1.0, 1.0)
