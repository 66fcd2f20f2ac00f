"""Actions say what they change, and many factors are those of one after the other."""

import math

import numpy as np
import pytest

from gradclip_cli.numerics.statistics import TensorStats
from gradclip_cli.strategies import STRATEGIES, Group, Strategy
from gradclip_cli.strategies.actions import (
    UNCHANGED,
    Action,
    Clamp,
    Scale,
    ScaleApart,
    ZeroNonfinite,
    action_for,
    group_factors,
)


@pytest.mark.parametrize(
    ("numerator", "denominator", "expected"),
    [(1.0, 4.0, 0.25), (1.0, 0.0, math.inf), (0.0, 0.0, math.nan), (2.0, math.inf, 0.0)],
)
def test_the_factor_of_a_scale(numerator: float, denominator: float, expected: float) -> None:
    """The factor is the quotient in IEEE arithmetic, division by zero included."""
    assert repr(Scale(numerator, denominator).factor) == repr(expected)


@pytest.mark.parametrize(
    ("action", "stats", "touched"),
    [
        (UNCHANGED, TensorStats(max_abs=1.0), False),
        (Scale(1.0, 2.0), TensorStats(max_abs=1.0), True),
        (Scale(1.0, 2.0), TensorStats(elements=5), False),
        (Scale(1.0, 2.0), TensorStats(nan=1), True),
        (Scale(1.0, math.nan), TensorStats(elements=5, zeros=5), True),
        (Clamp(1.0), TensorStats(max_abs=1.0), False),
        (Clamp(1.0), TensorStats(max_abs=1.5), True),
        (Clamp(1.0), TensorStats(posinf=1), True),
        (Clamp(1.0, keep_infinite=True), TensorStats(neginf=1), False),
        (Clamp(1.0), TensorStats(nan=1, max_abs=0.5), False),
        (Clamp(math.inf), TensorStats(posinf=1), False),
        (ScaleApart(1.0, UNCHANGED, Scale(1.0, 2.0)), TensorStats(max_abs=1.0), False),
        (ScaleApart(1.0, UNCHANGED, Scale(1.0, 2.0)), TensorStats(max_abs=1.5), True),
        (ScaleApart(1.0, Scale(3.0, 2.0), Scale(1.0, 2.0)), TensorStats(max_abs=0.5), True),
        (ScaleApart(1.0, Scale(3.0, 2.0), Scale(1.0, 2.0)), TensorStats(elements=3), False),
        (ZeroNonfinite(UNCHANGED), TensorStats(nan=1), True),
        (ZeroNonfinite(UNCHANGED), TensorStats(max_abs=9.0), False),
        (ZeroNonfinite(Scale(1.0, 2.0)), TensorStats(max_abs=9.0), True),
    ],
)
def test_what_an_action_changes(action: Action, stats: TensorStats, touched: bool) -> None:
    """Only a tensor of which at least one bit would change is touched; a NaN factor changes zeros as well."""
    assert action.changes(stats.max_abs, stats.nan, stats.posinf + stats.neginf) is touched


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda strategy: strategy.name)
@pytest.mark.parametrize("threshold", [0.3, 1.0, 1e-300, math.inf])
@pytest.mark.parametrize("epsilon", [0.0, 0.1])
def test_many_factors_are_those_of_one_after_the_other(strategy: Strategy, threshold: float, epsilon: float) -> None:
    """The factors of an array of norms have the bits of the action on each; of clipped elements that of the largest."""
    norms = [0.0, 1e-310, 0.1, 0.3, math.nextafter(0.3, 1.0), 1.0, 7.5, 1e300, math.inf, math.nan]
    if strategy.group is Group.ELEMENT:
        expected = [threshold / norm if norm > threshold else 1.0 for norm in norms[:-1]]
        norms.pop()
    else:
        expected = [action_for(strategy, norm, threshold, epsilon).factor or 0.0 for norm in norms]
    found = group_factors(strategy, np.array(norms), threshold, epsilon).tolist()
    assert list(map(repr, found)) == list(map(repr, expected))
    assert group_factors(strategy, np.array(norms), np.full(len(norms), threshold), epsilon).tolist()[:-1] == found[:-1]
