"""Norms as points of a line: what is pooled loses nothing that stands out."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from gradclip_cli.render.html.norm_points import MOST, NormPoints
from gradclip_cli.reports.stats import StatsDump
from gradclip_cli.thresholds.base import EXPLODING_FACTOR


def points_of(norms: list[float], most: int = MOST) -> NormPoints:
    """Points of dumps with these norms at the steps 10, 20, 30 and so on."""
    dumps = [StatsDump(f"{k}.npz", 10 * k, norm, None, 0) for k, norm in enumerate(norms, 1)]
    return NormPoints.of(dumps).at_most(most)


NORM = st.one_of(st.floats(0, 1e6), st.just(0.0), st.just(math.nan), st.just(math.inf))


@settings(deadline=None)  # the processors are shared
@given(st.lists(NORM, min_size=1, max_size=60), st.integers(1, 20))
def test_pooling_keeps_every_maximum_and_every_norm_that_is_not_finite(norms: list[float], most: int) -> None:
    """Each group is drawn by its largest norm, and each dump that is not finite or zero counts in a mark of its group."""
    points = points_of(norms, most)
    groups = [norms[k : k + points.each] for k in range(0, len(norms), points.each)]
    assert len(groups) <= most
    largest = [max((norm for norm in group if 0 < norm < math.inf), default=None) for group in groups]
    drawn = [norms[row] if 0 < norms[row] < math.inf else None for row in points.largest()]
    assert drawn == largest
    for test in (lambda norm: not math.isfinite(norm), lambda norm: norm == 0):
        marked = points.marked(np.array([test(norm) for norm in norms]))
        assert sum(one.count for one in marked) == sum(map(test, norms))
        assert all(test(norms[one.row]) for one in marked)


def test_what_explodes_is_what_stats_says() -> None:
    """A norm above so many times its neighbours explodes, and keeps its mark where points are pooled."""
    norms = [1.0] * 40
    norms[17] = 1.1 * EXPLODING_FACTOR
    points = points_of(norms, 4)
    assert [(one.row, one.count) for one in points.marked(points.exploding)] == [(17, 1)]


def test_a_pooled_point_names_its_range() -> None:
    """A point says which dump it is, and of which it is the largest."""
    points = points_of([1.0, 3.0, 2.0, 1.0, 1.0], 2)
    assert points.where(1) == "20 (largest of 10 to 30)"
    assert [points.group(row) for row in points.largest()] == ["10-30", "40-50"]
    assert points_of([1.0, 2.0]).where(1) == "20"
