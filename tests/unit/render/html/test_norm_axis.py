"""The axis of norms."""

import math

from gradclip_cli.render.html.norm_axis import NormAxis, drawn


def test_it_holds_all_norms_and_thresholds_near_them() -> None:
    """All norms are within its ends, and thresholds up to a hundred times beyond them; others do not stretch it."""
    axis = NormAxis.of([0.5, 20.0], [100.0, 1e9, 1e-9])
    assert all(axis.holds(value) for value in (0.5, 20.0, 100.0))
    assert not any(axis.holds(value) for value in (1e9, 1e-9, 0.0))


def test_equal_norms_stand_in_the_middle() -> None:
    """Equal norms are in the middle of an axis of half as much again."""
    axis = NormAxis.of([3.0, 3.0], [])
    assert math.isclose((axis.low + axis.high) / 2, math.log10(3.0), abs_tol=1e-4)
    assert 10 ** (axis.high - axis.low) >= 1.5


def test_its_ends_are_finite_numbers() -> None:
    """The ends of an axis of the largest and smallest norms are numbers that a browser knows."""
    low, high = NormAxis.of([5e-324, 1.79e308], []).domain
    assert 0 < low < high < math.inf


def test_what_is_drawn_has_five_digits() -> None:
    """A number that is only drawn is rounded, so that a spec is small."""
    assert drawn(1.23456789e-7) == 1.2346e-7
