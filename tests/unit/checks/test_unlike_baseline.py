"""Blocks whose norms are unlike those of a run that went well are found."""

import math
from collections.abc import Sequence

import numpy as np
import pytest

from gradclip_cli.checks.base import Baseline, Figures, Problem, Tensor
from gradclip_cli.checks.limits import Limits
from gradclip_cli.checks.unlike_baseline import find_unlike_baseline

GOOD = [1.0, 1.25, 0.8] * 10
"""Norms with a median of 1; their spread is 1.4826 · ln 1.25 = 0.3308."""

SPREAD = 1.4826 * math.log(1.25)


def found(
    run: Sequence[float],
    good: Sequence[float],
    *,
    steps: Sequence[int | None] | None = None,
    good_steps: Sequence[int | None] | None = None,
    spreads: float = 4.0,
) -> list[Problem]:
    """Return what is found in the norms of one block, step by step, beside those of a run that went well."""
    norm = np.array([run]).T
    ones, zeros = np.ones_like(norm), np.zeros_like(norm)
    nan = np.isnan(norm).astype(float)
    figures = Figures(
        [f"step {k}" for k in range(len(run))],
        [Tensor("a.w", "a", "w", block="a")],
        (),
        *(ones, zeros, nan, zeros, zeros, norm, np.nan_to_num(norm), norm, zeros),
        *(np.zeros((0, *norm.shape)), np.zeros((0, *norm.shape))),
        steps=range(len(run)) if steps is None else steps,
        baseline=Baseline(
            "good/", range(len(good)) if good_steps is None else good_steps, {("a", "w"): 0}, np.array([good]).T
        ),
    )
    return list(find_unlike_baseline(figures, Limits(unlike_baseline_spreads=spreads)))


def test_the_limits_are_right() -> None:
    """The limits are e^(4 spreads) above the largest and below the smallest of the norms that are nearest by step."""
    high, low = 1.25 * math.exp(4 * SPREAD), 0.8 * math.exp(-4 * SPREAD)
    assert found([high * 0.999, low * 1.001], GOOD) == []
    above, below = found([high * 1.001, 1.0, low * 0.999, low / 2], GOOD)
    assert (above.dumps, above.block, above.tensor) == ([0], "a", None)
    assert (above.value, above.limit) == (high * 1.001, pytest.approx(high))
    assert (below.dumps, below.value, below.limit) == ([2, 3], low * 0.999, pytest.approx(low))
    assert below.worst == low / 2
    assert above.message == f"a has a norm {high * 1.001:.3g}, {high * 1.001:.2g} x the median of good/"


def test_a_run_is_like_itself() -> None:
    """Nothing is found in the baseline itself, however its norms fall, rise or jump."""
    for norms in (GOOD, [1000 * 0.5**k for k in range(30)], [1.0] * 20 + [500.0] + [1.0] * 20, [3.0], [1.0, 900.0]):
        assert found(norms, norms) == []


@pytest.mark.parametrize("seed", range(20))
def test_another_seed_is_like_it(seed: int) -> None:
    """Nothing is found in a run of another seed, with norms that fall at first."""
    random = np.random.default_rng(seed)
    trend = 1 + 4 * np.exp(-np.arange(60) / 5)
    run, good = (trend * np.exp(random.normal(0, 0.25, 60)) for _ in range(2))
    assert found(run.tolist(), good.tolist()) == []


def test_the_spread_is_a_tenth_at_least() -> None:
    """Norms that hardly vary allow for a tenth: e^0.4 = 1.49 times as much, or as little."""
    assert found([1.49, 1 / 1.49], [1.0] * 9) == []
    assert [one.dumps for one in found([1.495, 1 / 1.495], [1.0] * 9)] == [[0], [1]]


def test_few_dumps_tell_no_spread() -> None:
    """Of fewer than five finite norms, ten times the largest is the limit."""
    assert found([19.9, 0.101], [1.0, 2.0, 1.0, 1.0]) == []
    assert [one.dumps for one in found([20.1, 0.099], [1.0, 2.0, math.nan, 1.0])] == [[0], [1]]


def test_steps_are_compared_with_the_nearest() -> None:
    """A norm that is usual at the first steps is not so at the last; a run that goes on is compared with the last steps."""
    falling = [100 * math.exp(-k / 10) for k in range(60)]
    assert found([90.0], falling, steps=[1]) == []
    [late] = found([90.0], falling, steps=[50])
    assert late.message.startswith("a has a norm 90, ")
    assert found([0.3], falling, steps=[1000]) == []
    assert found([90.0], falling, steps=[1000])


def test_without_steps_all_dumps_count() -> None:
    """Where a dump has no step, it is compared with the whole baseline, and so is a run with one that has none."""
    falling = [100 * math.exp(-k / 10) for k in range(60)]
    assert found([90.0], falling, steps=[None]) == []
    assert found([90.0], falling, steps=[50], good_steps=[None] * 60) == []


def test_spreads_are_the_limit() -> None:
    """`unlike_baseline_spreads` says how many spreads a norm may be away."""
    assert found([2.0], GOOD, spreads=2.0) == []
    assert len(found([2.0], GOOD, spreads=1.0)) == 1


def test_what_is_not_finite_is_not_compared() -> None:
    """NaN is found by another rule; a norm of 0 is below any limit, and a baseline without a norm above 0 judges nothing."""
    assert found([math.nan], GOOD) == []
    [zero] = found([0.0], GOOD)
    assert (zero.value, zero.worst) == (0.0, 0.0)
    assert found([5.0], [0.0] * 9) == []
    assert found([5.0], [math.nan] * 9) == []
