"""Strategies turn a norm into a factor by the published formulas."""

import math

import pytest

from gradclip_cli.strategies import STRATEGIES, Strategy, find
from gradclip_cli.strategies.actions import UNCHANGED, Clamp, action_for

CLIPS = [strategy for strategy in STRATEGIES if strategy.takes_norm]
RENORMS = [strategy for strategy in STRATEGIES if strategy.name.startswith("renormalize")]
clips = pytest.mark.parametrize("strategy", CLIPS, ids=lambda strategy: strategy.name)
renorms = pytest.mark.parametrize("strategy", RENORMS, ids=lambda strategy: strategy.name)


@clips
@pytest.mark.parametrize(
    ("norm", "threshold"), [(5.0, 1.0), (1.0000000000000002, 1.0), (1e-3, 1e-8), (1e200, 1e-200), (0.3, 0.1)]
)
def test_above_the_threshold_the_factor_is_c_over_n(strategy: Strategy, norm: float, threshold: float) -> None:
    """A norm above c, by however little, is scaled by c / n."""
    assert action_for(strategy, norm, threshold, 0.0).factor == threshold / norm


@clips
@pytest.mark.parametrize(
    ("norm", "threshold"), [(1.0, 1.0), (0.5, 1.0), (0.0, 1e-300), (1e300, math.inf), (math.inf, math.inf)]
)
def test_at_or_below_the_threshold_nothing_changes(strategy: Strategy, norm: float, threshold: float) -> None:
    """A norm of at most c leaves the group as it is; an infinite threshold always does."""
    assert action_for(strategy, norm, threshold, 0.0) == UNCHANGED


@clips
def test_epsilon_is_added_to_the_norm(strategy: Strategy) -> None:
    """With an epsilon the factor is min(1, c / (n + epsilon))."""
    assert action_for(strategy, 1.0, 1.0, 1e-6).factor == 1.0 / (1.0 + 1e-6)
    assert action_for(strategy, 0.5, 1.0, 0.5).factor == 1


@clips
def test_a_norm_that_is_not_finite(strategy: Strategy) -> None:
    """An infinite norm gives the factor 0, a NaN gives NaN."""
    assert action_for(strategy, math.inf, 2.0, 0.0).factor == 0
    assert math.isnan(action_for(strategy, math.nan, 2.0, 0.0).factor or 0.0)


@renorms
@pytest.mark.parametrize("norm", [4.0, 0.25, 1.0, 3e-310])
def test_renormalizing_divides_by_the_norm(strategy: Strategy, norm: float) -> None:
    """The factor is 1 / n whatever the norm."""
    assert action_for(strategy, norm, math.inf, 0.0).factor == 1 / norm


@renorms
def test_renormalizing_zeros_keeps_them(strategy: Strategy) -> None:
    """A group of norm 0 is left as it is, as under DL4J's guard."""
    assert action_for(strategy, 0.0, math.inf, 0.0) == UNCHANGED


def test_none_keeps_everything() -> None:
    """The strategy `none` never changes anything."""
    assert action_for(find("none"), 1e300, math.inf, 0.0) == UNCHANGED


def test_elementwise_limits_by_the_threshold() -> None:
    """The element-wise strategy limits to the threshold, whatever the norm."""
    assert action_for(find("clip-by-value"), 7.0, 0.5, 0.0) == Clamp(0.5)
