"""Levels are medians, and spreads are those of what is not a trend and not an outlier."""

import math

import numpy as np
import pytest

from gradclip_cli.thresholds.levels import (
    Packed,
    deviations,
    logs,
    median_error,
    medians,
    misfit,
    running_medians,
    spreads,
)


def test_medians_leave_out_what_is_not_there() -> None:
    """The median of each column is numpy's of the norms that are there; infinite ones do not overflow it."""
    rng = np.random.default_rng(0)
    values = np.where(rng.random((9, 30)) < 0.3, np.nan, rng.random((9, 30)))
    np.testing.assert_array_equal(medians(values), np.nanmedian(values, axis=0))
    assert medians(np.array([[1.7e308, np.inf], [1.7e308, np.inf]])).tolist() == [1.7e308, math.inf]
    assert np.isnan(medians(np.zeros((0, 2)))).all()


@pytest.mark.parametrize("window", [1, 4, 5, 20])
def test_running_medians(window: int) -> None:
    """Each is numpy's median of a window; NaN where the window has one."""
    values = np.random.default_rng(1).random((30, 7))
    values[:3, 2] = np.nan
    expected = [np.median(values[k : k + window], axis=0) for k in range(31 - window)]
    np.testing.assert_allclose(running_medians(values, window), expected, rtol=1e-15)


def test_a_series_shorter_than_the_window_has_no_running_median() -> None:
    """There is no window of 5 in 4 steps."""
    assert running_medians(np.ones((4, 3)), 5).shape == (0, 3)


def test_spreads() -> None:
    """The standard deviation of noise is found about a trend and beside a few outliers, within a tenth."""
    noise = 0.2 * np.random.default_rng(2).standard_normal((4000, 1))
    assert spreads(noise + np.arange(4000)[:, None] / 100)[0] == pytest.approx(0.2, rel=0.1)
    assert deviations(np.where(np.arange(4000)[:, None] % 50, noise, 9.0))[0] == pytest.approx(0.2, rel=0.1)


def test_median_error() -> None:
    """The medians of 5 and 20 normally distributed values differ by so much, within a tenth (a little less for so few)."""
    rng = np.random.default_rng(3)
    few, many = (np.median(rng.standard_normal((20000, count)), axis=1) for count in (5, 20))
    assert median_error(5, 20) == pytest.approx(np.std(few - many), rel=0.1)


def test_logs() -> None:
    """Logarithms are of what is finite and above 0."""
    assert np.isnan(logs(np.array([0.0, -1.0, np.inf, np.nan]))).all()
    assert logs(np.array([math.e])) == pytest.approx([1.0])


def test_misfit() -> None:
    """A shape fits points that follow it, at any height, and an outlier counts by its distance."""
    shape = np.array([0.0, 0.0, 0.5, 1.0, 1.0])
    assert misfit(3 + 4 * shape, shape) == pytest.approx(0)
    assert misfit(3 + 4 * shape + np.array([0, 0, 0, 0, 5.0]), np.array([0.0, 0, 0, 1, 1])) > 0.5


def test_packed_rows_return_to_their_steps() -> None:
    """What is packed without gaps is put back at the steps it came from."""
    norms = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    taken = np.array([[False, True], [True, False], [True, True]])
    packed = Packed(norms, taken)
    assert packed.values[:2].tolist() == [[3.0, 2.0], [5.0, 6.0]]
    assert np.isnan(packed.values[2, 0])
    assert packed.matrix(packed.values).tolist() == [[0.0, 2.0], [3.0, 0.0], [5.0, 6.0]]
    assert packed.mask(packed.values > 2).tolist() == [[False, False], [True, False], [True, True]]
    assert packed.rows_of(np.array([0, 1]), np.array([0, 1])).tolist() == [1, 2]
