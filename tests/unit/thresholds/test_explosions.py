"""What explodes is far above what is usual, and has risen to it."""

import math
import statistics
from collections.abc import Sequence

import numpy as np
import pytest

from gradclip_cli.thresholds.explosions import explosions


def exploding(*norms: float, enough: int = 5) -> tuple[list[int], float]:
    """Which of the norms of one group are above ten times the usual one, and that."""
    column = np.array(norms)[:, None]
    found = explosions(column, ~np.isnan(column), 10.0, enough)
    return np.flatnonzero(found.steps[:, 0]).tolist(), float(found.usual[0])


@pytest.mark.parametrize(
    ("norms", "steps"),
    [
        ([1, 1, 1, 1, 10], []),
        ([1, 1, 1, 1, 10.1], [4]),
        ([1, 1, 1, 10.1], []),
        ([1, 2, 3, 80, 90, 100, 90], [3, 4, 5, 6]),
        ([1, 80, 90, 100, 90], []),
        ([1, 101, 90, 99, 95], []),
        ([1, 101, 102, 90, 150], [1, 2, 3, 4]),
        ([1, 101, 102, 103, 150, 20], [1, 2, 3, 4, 5]),
        ([1, 1, 80, 90, 100, 90], [2, 3, 4, 5]),
        ([1e4, 1e3, 1e2, 1e1, 1, 1, 1, 1, 1, 1], []),
        ([1e4, 1e3, 1, 1, 1, 1, 1, 1, 1, 50], [9]),
        ([0, 0, 0, 0, 0, 5], []),
        ([math.nan, 1, 1, 1, 1, math.nan, 1, 20], [7]),
        ([1, 1, 1, 1, 1e308], [4]),
        ([1e-320, 1e-320, 1e-320, 1e308, 1e308, 1e308], [3, 4, 5]),
        ([math.nan] * 6, []),
        ([math.inf] * 6, []),
        ([1, 1, 1, 1, math.inf], [4]),
        ([], []),
    ],
)
def test_which_norms_explode(norms: Sequence[float], steps: list[int]) -> None:
    """Ten times the median, or that before a rise that lasts (a hundred times behind a single norm), of five norms at least.

    A run that comes down has none.
    """
    assert exploding(*norms)[0] == steps


@pytest.mark.parametrize("first", [2, 3, 5, 6])
def test_usual_is_the_median_before_a_rise_that_lasts(first: int) -> None:
    """Where at least half of the norms are high, what is usual is the median of those before."""
    low = [1.0, 1.5, 1.2, 1.1, 1.4, 1.3][:first]
    assert exploding(*low, *[1e3] * 6) == ([*range(first, first + 6)], pytest.approx(statistics.median(low)))


def test_groups_are_judged_apart() -> None:
    """Each column has its own usual norm."""
    matrix = np.array([[1.0, 100.0]] * 5 + [[1.0, 2000.0], [20.0, 100.0]])
    found = explosions(matrix, np.isfinite(matrix), 10.0, 5)
    assert np.argwhere(found.steps).tolist() == [[5, 1], [6, 0]]
    assert found.usual.tolist() == [1.0, 100.0]
    assert found.stays.tolist() == [False, False]


@pytest.mark.parametrize(
    ("norms", "steps"),
    [
        ([3, 7, 23, 10, 4, 5, 2, 2, 2, 6, 2, *[1.0] * 20], []),
        ([3, 7, 230, 10, 4, 5, 2, 2, 2, 6, 2, *[1.0] * 20], [2]),
        ([1.0] * 12 + [23] + [1.0] * 12, [12]),
        ([1, 1, 1, *[50.0] * 6, *[80.0] * 20], [*range(3, 29)]),
    ],
)
def test_parts_may_rise_and_fall_at_first(norms: Sequence[float], steps: list[int]) -> None:
    """What a layer is far above only once it has come down is no explosion, in the first steps of a long series."""
    column = np.array(norms, np.float64)[:, None]
    found = explosions(column, np.isfinite(column), 10.0, 5, parts=True)
    assert np.flatnonzero(found.steps[:, 0]).tolist() == steps
    assert exploding(*norms)[0] == (steps or [2])
