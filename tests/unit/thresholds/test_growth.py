"""Norms that grow slowly are found; noise, warm-up, falls and jumps are not."""

from collections.abc import Callable

import numpy as np
import pytest

from gradclip_cli.thresholds.growth import Growth, growths
from gradclip_cli.thresholds.samples import Matrix


def found(norms: Matrix, factor: float = 2.0, enough: int = 10) -> list[Growth]:
    """The groups that grow."""
    return growths(norms, np.isfinite(norms), factor, enough)


def noisy(levels: Matrix, seed: int = 0, groups: int = 300, noise: float = 0.1) -> Matrix:
    """Norms of groups around the same levels (steps), by a standard deviation of a tenth."""
    return levels[:, None] * np.exp(noise * np.random.default_rng(seed).standard_normal((len(levels), groups)))


def ramp(steps: int, begin: int, end: int, times: float) -> Matrix:
    """Levels of 1, that grow by as much at each step from `begin` on to `times` as much at `end`, and stay there."""
    return times ** np.clip((np.arange(steps) - begin) / (end - begin), 0, 1)


def test_two_layers_that_drift() -> None:
    """Of 20 layers, the two that grow fourfold over 50 steps are found, with from, to and since when."""
    norms = noisy(np.ones(60), groups=20)
    norms[:, [3, 11]] *= ramp(60, 9, 59, 4.0)[:, None]
    growing = found(norms)
    assert [one.column for one in growing] == [3, 11]
    for one in growing:
        assert one.start == pytest.approx(1, rel=0.25)
        assert one.end == pytest.approx(4, rel=0.25)
        assert 5 <= one.since <= 25
        assert one.until == 59


@pytest.mark.parametrize(
    ("levels", "share"),
    [
        (ramp(60, 9, 59, 4.0), 0.95),
        (ramp(50, 0, 49, 4.0), 0.95),
        (1 + 5 * np.arange(60) / 59, 0.9),
        (ramp(200, 30, 80, 4.0), 0.9),
        (ramp(1000, 949, 999, 4.0), 0.95),
        (ramp(60, 48, 59, 8.0), 0.9),
        (np.concatenate([9 * np.exp(-np.arange(20) / 4) + 1, ramp(40, 0, 39, 30.0)]), 0.9),
    ],
)
def test_growth_is_found(levels: Matrix, share: float) -> None:
    """Growth of noisy norms is found, wherever it lies and however long the series is: at its end, and where norms stay up after."""
    assert len(found(noisy(levels, groups=100))) >= share * 100


def test_norms_that_grow_at_every_one_of_the_last_steps() -> None:
    """Ten steps of a fifth more each, after 50 steady ones, are growth since the first of them."""
    (one,) = found(np.concatenate([np.ones(50), 1.2 ** np.arange(1, 11)])[:, None])
    assert (one.start, one.end) == (1.0, pytest.approx(1.2**8))
    assert (49 <= one.since <= 51, one.until) == (True, 59)


def test_growth_that_is_over() -> None:
    """Norms that grow from step 30 to 80 of 200, and stay there, grow until about then."""
    growing = found(noisy(ramp(200, 30, 80, 6.0), groups=20))
    assert len(growing) == 20
    assert all(25 <= one.since <= 45 and 65 <= one.until <= 90 for one in growing)


QUIET: dict[str, Callable[[int], Matrix]] = {
    "steady": lambda seed: noisy(np.ones(60), seed),
    "steady, noisy": lambda seed: noisy(np.ones(60), seed, noise=0.4),
    "steady and long": lambda seed: noisy(np.ones(700), seed, noise=0.3),
    "twelve steps": lambda seed: noisy(np.ones(12), seed, noise=0.3),
    "falls": lambda seed: noisy(9 + 18 * np.exp(-np.arange(60) / 10), seed),
    "falls and stays": lambda seed: noisy(np.maximum(20 - np.arange(60), 1.0), seed),
    "warms up": lambda seed: noisy(np.minimum(1, 0.1 + 0.09 * np.arange(60)), seed, noise=0.05),
    "warms up and falls": lambda seed: noisy(
        np.minimum(1, 0.2 + 0.16 * np.arange(60)) * (1 + 3 * np.exp(-np.arange(60) / 8)), seed
    ),
    "grows too little": lambda seed: noisy(ramp(60, 0, 59, 1.5), seed),
    "falls and rises back": lambda seed: noisy(1 + 9 * np.abs(np.linspace(-1, 1, 60)), seed),
    "rises and falls back": lambda seed: noisy(1 + 5 * np.sin(np.arange(60) / 59 * np.pi), seed),
}


@pytest.mark.parametrize("case", QUIET)
def test_no_false_alarm(case: str) -> None:
    """Of 1,500 series without growth, in five runs of 300 tensors, none is found."""
    assert sum(len(found(QUIET[case](seed))) for seed in range(5)) == 0


def attention(seed: int, back: float) -> Matrix:
    """Norms of 300 query layers of a healthy training: from 0.009 within 20 steps to 0.002, and from step 25 on to `back`."""
    steps = np.arange(60)
    fall = np.interp(steps, [0, 20, 25], np.log([0.009, 0.002, 0.002]))
    levels = np.exp(np.where(steps < 25, fall, np.interp(steps, [25, 59], np.log([0.002, back]))))
    return noisy(levels, seed, noise=0.3)


def test_what_comes_back_has_not_grown() -> None:
    """Norms that fall from 0.009 to 0.002 and come back to 0.009, with a noise of 30 %, grow in 3 of 1,500; to 0.06 nearly all do."""
    assert sum(len(found(attention(seed, 0.009))) for seed in range(5)) <= 5
    assert sum(len(found(attention(seed, 0.06))) for seed in range(5)) >= 1450
    assert found(attention(1, 0.009)) == []


def test_a_drift_is_found_after_a_fall() -> None:
    """A drift to ten times over 50 steps is found with a noise of 30 %; after a fall by half within 10 steps, with 20 %."""
    levels = np.interp(np.arange(60), [0, 10], [2.0, 1.0]) * ramp(60, 10, 59, 10.0)
    assert len(found(noisy(levels, noise=0.2))) >= 290
    assert len(found(noisy(ramp(60, 9, 59, 10.0), noise=0.3))) >= 285


def test_what_was_as_high_long_ago_has_not_grown() -> None:
    """The first steps of a long series and what stood high in its middle count, though the rise is of its last 60 steps."""
    rise = ramp(60, 10, 59, 5.0)
    assert len(found(noisy(np.concatenate([np.ones(540), rise]), groups=100))) >= 95
    first = np.concatenate([np.linspace(5, 1, 20), np.ones(520), rise])
    middle = np.concatenate([np.ones(200), np.full(140, 5.0), np.ones(200), rise])
    assert found(noisy(first, groups=100)) == []
    assert found(noisy(middle, groups=100)) == []


def test_a_jump_is_no_growth() -> None:
    """Norms that jump to a new level within a step do not grow: of 300, none with a tenth of noise."""
    assert found(noisy(np.where(np.arange(60) < 30, 1.0, 4.0))) == []


def test_spikes_do_not_hide_growth() -> None:
    """Two explosions in a slow rise change neither that it is found, nor from where and to where it goes."""
    norms = ramp(60, 0, 59, 10.0)[:, None]
    spiked = norms.copy()
    spiked[[20, 41]] *= 50
    (plain,), (one,) = found(norms), found(spiked)
    assert (one.start, one.end) == (pytest.approx(plain.start, rel=0.1), pytest.approx(plain.end, rel=0.1))


def test_gaps_are_left_out() -> None:
    """Steps that are not finite, lack a group or have a norm of 0 are passed over; `since` and `until` are steps of the series."""
    norms = np.full((120, 2), np.nan)
    norms[::2] = noisy(ramp(60, 20, 59, 8.0), groups=2, noise=0.02)
    norms[1::4] = 0.0
    growing = found(norms)
    assert [one.column for one in growing] == [0, 1]
    assert all(40 <= one.since <= 56 and 100 <= one.until < 120 for one in growing)


def test_short_series_are_not_judged() -> None:
    """A series with fewer norms than enough, or none, has no growth."""
    assert found(ramp(9, 0, 8, 50.0)[:, None]) == []
    assert found(ramp(4, 0, 3, 50.0)[:, None], enough=2) == []
    assert found(np.zeros((0, 3))) == []
    assert found(np.zeros((20, 0))) == []
    assert found(np.zeros((20, 2))) == []
    assert len(found(ramp(12, 0, 11, 50.0)[:, None])) == 1


@pytest.mark.parametrize(("factor", "times"), [(3.0, 2.5), (10.0, 8.0)])
def test_the_factor_is_the_least_growth(factor: float, times: float) -> None:
    """Norms grow if they come to so many times what they were."""
    assert found(noisy(ramp(60, 0, 59, times), groups=20), factor) == []
    assert len(found(noisy(ramp(60, 0, 59, 2 * factor), groups=20), factor)) == 20
