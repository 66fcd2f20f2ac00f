"""Stable-SPAM against the arithmetic of its authors, tensor by tensor."""

import math
from typing import Self

import numpy as np
import pytest
from numpy.typing import NDArray
from support.oracle import stable_spam

from gradclip_cli.thresholds.adaptive import AdaptiveRule
from gradclip_cli.thresholds.replays import Replay, replay
from gradclip_cli.thresholds.rules import parse_rule
from gradclip_cli.thresholds.stable_spam import Limited

Wide = NDArray[np.float64]
Mask = NDArray[np.bool_]
Series = list[list[Wide]]
"""The tensors of each step."""


class Held:
    """The elements of a series, in memory."""

    def __init__(self, series: Series) -> None:
        self._series = series
        finite = [[np.where(np.isfinite(one), one, 0.0) for one in row] for row in series]
        self.peaks = np.array([[np.abs(one).max() for one in row] for row in finite])
        self.norms = np.array(
            [
                [np.linalg.norm(one / (top or 1)) * top for one, top in zip(*pair, strict=True)]
                for pair in zip(finite, self.peaks, strict=True)
            ]
        )

    def of_steps(self, rows: Mask) -> Self:
        """Some steps alone."""
        return type(self)([row for row, kept in zip(self._series, rows, strict=True) if kept])

    def norms_under(self, limits: Wide, limited: Mask) -> Wide:
        """The norms with all elements above a limit multiplied by limit / max |g|."""
        found = self.norms.copy()
        for k, column in np.argwhere(limited).tolist():
            one, limit = self._series[k][column], limits[k, column]
            parts = np.where(np.abs(one) > limit, one / self.peaks[k, column] * limit, one)
            found[k, column] = np.linalg.norm(parts[np.isfinite(one)])
        return found


def series(steps: int = 120, tensors: int = 4) -> Series:
    """Tensors that fall, each on a scale of its own, with single elements that are spikes."""
    rng = np.random.default_rng(17)
    found = [
        [rng.standard_normal(40) * 10.0 ** (3 * k - 6) / math.sqrt(t + 1) for k in range(tensors)] for t in range(steps)
    ]
    for t in range(30, steps, 13):
        found[t][t % tensors][7] *= 1000
    return found


def replayed(text: str, found: Series, present: Mask | None = None) -> tuple[Replay, Limited]:
    """The rule over a series."""
    rule, elements = parse_rule(text), Held(found)
    assert isinstance(rule, AdaptiveRule)
    finite = np.array([[np.isfinite(one).all() for one in row] for row in found])
    peaks = np.where(finite, elements.peaks, np.nan)
    everything = np.ones(peaks.shape, np.bool_) if present is None else present
    replay_ = replay(rule, peaks, everything, peaks[:, 0], elements=elements)
    assert replay_.limited is not None
    return replay_, replay_.limited


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        ("stable-spam", (0.999, 0.7, 0.9)),
        ("stable-spam:0.9,gamma1=0.85,gamma2=0.99", (0.9, 0.85, 0.99)),
        ("stable-spam:theta=0,gamma1=0,gamma2=0", (0.0, 0.0, 0.0)),
    ],
)
def test_limits_and_factors_are_those_of_the_authors(text: str, parameters: tuple[float, float, float]) -> None:
    """Each tensor has the limit and the norm that the authors' code gives it, and the cosine of what is left of it."""
    found = series()
    got, limited = replayed(text, found)
    for column in range(len(found[0])):
        expected = stable_spam((row[column] for row in found), *parameters)
        np.testing.assert_allclose(got.thresholds[:, column], [limit for limit, _ in expected], rtol=1e-12)
        after = [np.linalg.norm(one) for _, one in expected]
        np.testing.assert_allclose(limited.after[:, column], after, rtol=1e-12)
        for k, (_, one) in enumerate(expected):
            before = found[k][column]
            at, least = np.argmax(np.abs(before)), np.argmin(np.abs(before))
            bottom = limited.denominators[k, column]
            assert limited.largest[k, column] / bottom == pytest.approx(one[at] / before[at], rel=1e-12)
            assert limited.numerators[k, column] / bottom == pytest.approx(one[least] / before[least], rel=1e-12)
            cosine = before @ one / np.linalg.norm(before) / np.linalg.norm(one)
            assert limited.cosines[k, column] == pytest.approx(cosine, rel=1e-12)
    assert limited.clipped[1:].any() == (parameters[0] > 0)


def test_what_is_absent_or_not_finite_moves_nothing() -> None:
    """A tensor has the history of the steps with it; one that is not finite has the limit of the step before."""
    found, present = series(40, 3), np.ones((40, 3), np.bool_)
    present[::3, 1] = False
    found[25][0] = np.append(found[25][0][:-1], np.inf)
    got, limited = replayed("stable-spam:0.9", found, present)
    alone = [row[:1] for k, row in enumerate(found) if k != 25], [row[1:2] for k, row in enumerate(found) if k % 3]
    for column, (kept, own) in enumerate(zip((np.arange(40) != 25, np.arange(40) % 3 > 0), alone, strict=True)):
        other, parts = replayed("stable-spam:0.9", own)
        np.testing.assert_allclose(got.thresholds[kept, column], other.thresholds[:, 0], rtol=1e-13)
        np.testing.assert_allclose(limited.after[kept, column], parts.after[:, 0], rtol=1e-13)
    assert got.thresholds[25, 0] == got.thresholds[24, 0]
    assert np.isinf(got.thresholds[~present]).all()
    assert not limited.clipped[~present].any()


def test_a_constant_is_never_above_its_mean() -> None:
    """Tensors that do not change are not limited, whatever the rounding of the rate; zeros stay zeros."""
    same = [[np.array([0.1, -0.3, 0.2]), np.zeros(3)] for _ in range(50)]
    got, limited = replayed("stable-spam", same)
    assert got.thresholds.tolist() == [[0.3, 0.0]] * 50
    assert not limited.clipped.any()
    assert limited.after[:, 0].tolist() == pytest.approx([1.0] * 50, rel=1e-7)
    assert limited.after[:, 1].tolist() == [0.0] * 50


@pytest.mark.parametrize("size", [1e-300, 1e-160, 1e160, 1e300])
def test_norms_whose_squares_are_beyond_float64(size: float) -> None:
    """The factors of tiny and of huge gradients are those of usual ones, but for eps."""
    usual = series(30, 1)
    found, limited = replayed("stable-spam:eps=0", [[row[0] / 1e-6 * size] for row in usual])
    expected, parts = replayed("stable-spam:eps=0", usual)
    np.testing.assert_allclose(limited.after, parts.after, rtol=1e-12)
    np.testing.assert_allclose(found.thresholds / size, expected.thresholds / 1e-6, rtol=1e-12)
