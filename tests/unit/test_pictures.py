"""Pictures show where norms are large, and are as wide as they may be."""

import math

import pytest

from gradclip_cli.render.pictures import histogram, sparkline


@pytest.mark.parametrize(
    ("values", "bars"),
    [
        ([1, 10, 100], "▁▅█"),
        ([5, 5, 5], "▁▁▁"),
        ([0, 1, 100], "▁▁█"),
        ([math.nan, 1, math.inf, 2], "!▁!█"),
        ([0, 0], "▁▁"),
        ([1e-300, 1e300], "▁█"),
        ([7.000000000000001, 7.000000000000002], "▁▁"),
    ],
)
def test_bars_grow_with_the_logarithm(values: list[float], bars: str) -> None:
    """A bar a value, on a log scale from the smallest to the largest; what is not finite is marked."""
    assert sparkline(values, 80) == bars


def test_many_values_are_drawn_by_their_largest() -> None:
    """Where there is no room for each value a bar is the largest of its neighbours, so that no peak is lost."""
    values = [1.0] * 1000
    values[777] = 50.0
    line = sparkline(values, 40)
    assert len(line) <= 40
    assert line.count("█") == 1


def test_bars_without_unicode() -> None:
    """A terminal without Unicode gets ASCII."""
    assert sparkline([1, 1000], 80, unicode=False) == ".@"


@pytest.mark.parametrize("width", [20, 80, 133])
def test_a_histogram_is_as_wide_as_it_may_be(width: int) -> None:
    """No line is wider, the axis is just as wide, and the marks stand in the order of their values."""
    *bars, axis, marks, legend = histogram([1.0, 1.0, 10.0, 1000.0], {"m median": 1.0, "T suggested": 500.0}, width)
    assert len(bars) == 5
    assert max(len(line) for line in [*bars, marks]) <= width == len(axis)
    assert axis.startswith("1 ")
    assert marks.index("m") < marks.index("T")
    assert legend == "m median 1, T suggested 500"


def test_values_whose_logarithms_are_equal_stand_in_one_place() -> None:
    """Neighbours among the float64 have one logarithm, and so one place."""
    low = 7.000000000000001
    high = math.nextafter(low, 8)
    bars = list(histogram([low, high, low], {"M mean": high}, 20))
    assert low < high
    assert [row for row in bars[:5] if row != "█"] == []


def test_the_highest_bar_is_full() -> None:
    """The most frequent place reaches the top, one half as frequent reaches half of it."""
    bars = list(histogram([1.0] * 8 + [100.0] * 4, {}, 10))[:5]
    assert [row[0] for row in bars] == ["█"] * 5
    assert [row[9:10] for row in bars] == ["", "", "▄", "█", "█"]
