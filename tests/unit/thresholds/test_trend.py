"""Norms fall, rise, step or stay, from one level to another."""

import math
from collections.abc import Sequence

import numpy as np
import pytest

from gradclip_cli.thresholds.norm_table import GroupName, NormTable
from gradclip_cli.thresholds.samples import Matrix
from gradclip_cli.thresholds.trend import Trend, trend


def of(norms: Matrix | Sequence[float]) -> Trend:
    """The trend of the norms of a run."""
    return trend(NormTable([GroupName()], np.array(norms, np.float64)[:, None]))


def noisy(levels: Matrix, noise: float = 0.1, seed: int = 0) -> Matrix:
    """Norms around levels."""
    return levels * np.exp(noise * np.random.default_rng(seed).standard_normal(len(levels)))


def test_norms_that_fall() -> None:
    """A run that falls from 27 to 9 says so, and the part after begins where 20 steps are within a quarter of the last 20."""
    norms = 9 * (1 + 2 * np.exp(-np.arange(60) / 10))
    found = of(norms)
    last = np.median(norms[-20:])
    settled = next(k for k in range(41) if abs(np.median(norms[k : k + 20]) / last - 1) <= 0.25)
    assert (found.kind, found.start, found.settled_row) == ("falls", 27.0, settled)
    assert found.end == pytest.approx(last)
    assert 0 < settled < 20


def test_norms_that_rise() -> None:
    """A run that doubles twice rises."""
    found = of(noisy(2.0 ** (np.arange(80) / 40), 0.05))
    assert (found.kind, round(found.start), round(found.end, 1)) == ("rises", 1, 3.4)


@pytest.mark.parametrize("high", [0.1, 5.0])
def test_norms_that_step(high: float) -> None:
    """A run that goes from one level to another at once steps, and the part after begins with the new level."""
    found = of(noisy(np.where(np.arange(60) < 25, 1.0, high)))
    assert found.kind == "steps"
    assert found.end == pytest.approx(high, rel=0.1)
    assert found.settled_row == 25


@pytest.mark.parametrize("steps", [12, 200, 1000])
def test_the_place_of_a_step(steps: int) -> None:
    """In series of any length the new level begins at its first step."""
    place = steps // 3
    assert of(noisy(np.where(np.arange(steps) < place, 8.0, 1.0))).settled_row == place


@pytest.mark.parametrize("noise", [0.02, 0.1, 0.3, 0.6])
@pytest.mark.parametrize("steps", [5, 10, 20, 60, 300])
def test_steady_norms_have_no_trend(steps: int, noise: float) -> None:
    """Of 40 runs that stay, whatever their noise, at most one has a trend."""
    kinds = [of(noisy(np.full(steps, 10.0), noise, seed)).kind for seed in range(40)]
    assert kinds.count("steady") >= 39


def test_spikes_are_no_trend() -> None:
    """A spike, even in the first or the last step, is no trend; what is not finite is left out."""
    norms = noisy(np.ones(40))
    norms[[0, 20, 39]] = 50.0
    norms[10] = math.nan
    assert of(norms)[0] == "steady"
    assert of(norms).start == pytest.approx(np.median(norms[:3]))


def test_the_part_after_is_a_step_of_the_series() -> None:
    """Steps that are not finite are counted where the part after begins."""
    norms = np.concatenate([np.full(10, math.nan), np.where(np.arange(60) < 30, 9.0, 1.0)])
    assert of(norms)[:] == ("steps", 9.0, 1.0, 40)


def test_few_norms_have_no_trend() -> None:
    """Nine norms are too few; none have no level."""
    assert of([9.0] * 4 + [1.0] * 5).kind == "steady"
    none = of([math.nan, 0.0])
    assert (none.kind, none.settled_row) == ("steady", 0)
    assert math.isnan(none.start)
    assert math.isnan(none.end)


def test_absent_steps_are_left_out() -> None:
    """A group is judged by the steps that have it."""
    norms = np.where(np.arange(60) % 2, 0.0, 27 / (1 + np.arange(60) / 10))[:, None]
    found = trend(NormTable([GroupName("a")], norms, norms == 0))
    assert (found.kind, found.start) == ("falls", 27.0)
