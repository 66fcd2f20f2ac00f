"""What explodes is far above its neighbours, the steps before it, and has risen to it."""

import math
import statistics
from collections.abc import Sequence

import numpy as np
import pytest

from gradclip_cli.thresholds.explosions import explosions
from gradclip_cli.thresholds.samples import Mask, Matrix


def exploding(*norms: float, enough: int = 5, factor: float = 5.0, parts: bool = False) -> list[int]:
    """Which of the norms of one group explode."""
    column = np.array(norms, np.float64)[:, None]
    found = explosions(column, ~np.isnan(column), factor, enough, parts=parts)
    return np.flatnonzero(found.steps[:, 0]).tolist()


def by_hand(norms: Sequence[float], factor: float) -> tuple[list[bool], list[float]]:
    """Judge the norms of one group one by one, as the rule is written."""
    steps: list[bool] = []
    usual: list[float] = []
    for k, norm in enumerate(norms):
        first = max(0, k - 20)
        quiet = [norms[j] for j in range(first, k) if not steps[j]]
        if len(quiet) < 5:
            quiet = [*norms[first:k]] if k >= 20 else [*quiet, *norms[k + 1 : k + 6 - len(quiet)]]
        usual.append(statistics.median(quiet) if quiet else 0.0)
        steps.append(usual[-1] > 0 and norm > factor * usual[-1] and norm > 3 * min(norms[:k], default=math.inf))
    return steps, usual


def judged_by_hand(norms: Matrix, taken: Mask, factor: float) -> tuple[Mask, Matrix]:
    """Judge each group alone, without the steps that it lacks."""
    steps, usual = np.zeros(norms.shape, np.bool_), np.zeros(norms.shape)
    for column in range(norms.shape[1]):
        there = np.flatnonzero(taken[:, column])
        steps[there, column], usual[there, column] = by_hand(norms[there, column].tolist(), factor)
    return steps, usual


@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_the_rule_by_hand(seed: int, gaps: bool) -> None:
    """Every group of noisy norms with spikes, lasting rises and gaps is judged as by a loop over its norms."""
    rng = np.random.default_rng(seed)
    norms = np.exp(0.8 * rng.standard_normal((70, 40)))
    norms[30] *= 20  # every group at once
    norms[rng.integers(5, 60, 40)[:20], np.arange(20)] *= 30
    norms[33:, 20:30] *= 40  # a new level
    norms[::2, 30:34] *= 100  # every other step
    norms[:4, 34:37] *= 1e-3
    taken = rng.random(norms.shape) < 0.8 if gaps else np.ones(norms.shape, np.bool_)
    found = explosions(norms, taken, 5.0, 1)
    steps, usual = judged_by_hand(norms, taken, 5.0)
    assert steps.sum() > 100
    np.testing.assert_array_equal(found.steps, steps)
    np.testing.assert_allclose(found.usual, usual, rtol=1e-15)


@pytest.mark.parametrize(
    ("norms", "steps"),
    [
        ([1, 1, 1, 1, 5], []),
        ([1, 1, 1, 1, 5.1], [4]),
        ([1, 1, 1, 5.1], []),
        ([1, 2, 3, 80, 90, 100, 90], [3, 4, 5, 6]),
        ([1, 80, 90, 100, 90], []),
        ([1, 80, 1, 1, 1], [1]),
        ([80, 1, 1, 1, 1], []),
        ([1e4, 1e3, 1e2, 1e1, 1, 1, 1, 1, 1, 1], []),
        ([1e4, 1e3, 1, 1, 1, 1, 1, 1, 1, 50], [9]),
        ([0, 0, 0, 0, 0, 5], []),
        ([1e-6, 1e-6, 1, 1, 1, 1, 1, 1], []),
        ([math.nan, 1, 1, 1, 1, math.nan, 1, 20], [7]),
        ([1, 1, 1, 1, 1e308], [4]),
        ([1e-320, 1e-320, 1e-320, 1e308, 1e308, 1e308], [3, 4, 5]),
        ([math.nan] * 6, []),
        ([math.inf] * 6, []),
        ([1, 1, 1, 1, math.inf], [4]),
        ([1.0, 1000.0] * 10, [*range(1, 20, 2)]),
        ([], []),
    ],
)
def test_which_norms_explode(norms: Sequence[float], steps: list[int]) -> None:
    """Five times the median of the neighbours, of five norms at least; a first norm, and a run that comes down, have none."""
    assert exploding(*norms) == steps


def test_a_run_that_falls_has_its_own_spike() -> None:
    """A run that falls from 8 to 0.2 explodes at step 100 with 1.6, which is not 3 times its median."""
    norms = 0.2 + 7.8 * np.exp(-np.arange(120) / 20)
    norms[100] = 1.6
    norms[110] = 0.7
    assert np.median(norms) > 1.6 / 3
    assert exploding(*norms) == [100]


@pytest.mark.parametrize("length", [1, 3, 10, 15])
def test_a_spike_of_several_steps_does_not_hide_itself(length: int) -> None:
    """Steps that exploded are no neighbours of those after them."""
    assert exploding(*[1.0] * 25, *[8.0] * length, *[1.0] * 5) == [*range(25, 25 + length)]


def test_a_new_level_explodes_for_16_steps() -> None:
    """Once fewer than 5 of the 20 norms before are calm, all 20 count, and a level that lasts is the usual one."""
    assert exploding(*[1.0] * 25, *[8.0] * 60) == [*range(25, 41)]
    assert exploding(*[1.0] * 3, *[8.0] * 60) == [*range(3, 20)]
    assert exploding(*[1.0] * 25, *[8.0] * 60, 50.0) == [*range(25, 41), 85]


def test_groups_are_judged_apart() -> None:
    """Each column has its own neighbours; a rise of 5 steps or more begins at `since`."""
    matrix = np.array([[1.0, 100.0, 1.0]] * 5 + [[1.0, 2000.0, 9.0], *[[20.0, 100.0, 9.0]] * 5])
    found = explosions(matrix, np.isfinite(matrix), 5.0, 5)
    assert np.argwhere(found.steps[:6]).tolist() == [[5, 1], [5, 2]]
    assert found.usual[6].tolist() == [1.0, 100.0, 1.0]
    assert found.since.tolist() == [6, -1, 5]


def test_since_is_a_step_of_the_series() -> None:
    """A rise that lasts begins at its step, whatever steps before it a group lacks."""
    norms = np.array([math.nan, 1, 1, math.nan, 1, 1, 1, math.nan, *[50.0] * 6])[:, None]
    assert explosions(norms, ~np.isnan(norms), 5.0, 5).since.tolist() == [8]


@pytest.mark.parametrize(
    ("norms", "steps"),
    [
        ([3, 7, 23, 10, 4, 5, 2, 2, 2, 6, 2, *[1.0] * 20], []),
        ([1.0] * 12 + [23] + [1.0] * 12, [12]),
        ([1e-6, 1e-6, 1e-6, *[1.0] * 20], []),
        ([1.0, 3.0, 0.5, 2.0, 0.4] * 5 + [12.0], []),
        ([1.0, 1.1, 0.9, 1.0, 1.1] * 5 + [12.0], [25]),
    ],
)
def test_parts_are_judged_more_gently(norms: Sequence[float], steps: list[int]) -> None:
    """Layers may start near 0, rise and fall at the start, and stand above their usual norm as far as their noise goes."""
    assert exploding(*norms, parts=True) == steps


def test_noisy_parts_raise_few_alarms() -> None:
    """Of the norms of parts that vary by a half (a standard deviation of 0.5), fewer than one in a thousand explodes."""
    norms = np.exp(0.5 * np.random.default_rng(0).standard_normal((60, 2000)))
    there = np.ones(norms.shape, np.bool_)
    assert explosions(norms, there, 5.0, 5, parts=True).steps.mean() < 0.001
    assert explosions(norms, there, 5.0, 5).steps.mean() < 0.003
