"""Pictures show where norms are large, and are as wide as they may be."""

import math
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from support.official import savez

from gradclip_cli import stats
from gradclip_cli.render.charts.characters import histogram, lines, sparkline
from gradclip_cli.render.screens.names import shortened
from gradclip_cli.reports.stats import StatsReport


@pytest.mark.parametrize(
    ("values", "bars"),
    [
        ([1, 10, 100], "▁▅█"),
        ([5, 5, 5], "▁▁▁"),
        ([0, 1, 100], "▁▁█"),
        ([math.nan, 1, math.inf, 2], "!▁!█"),
        ([None, 1, None, math.nan, 2], " ▁ !█"),
        ([0, 0], "▁▁"),
        ([1e-300, 1e300], "▁█"),
        ([7.000000000000001, 7.000000000000002], "▁▁"),
    ],
)
def test_bars_grow_with_the_logarithm(values: list[float | None], bars: str) -> None:
    """A bar a value, on a log scale from the smallest to the largest; what is not finite is marked, what is missing a gap."""
    assert sparkline(values, 80) == bars


def test_many_values_are_drawn_by_their_largest() -> None:
    """Where there is no room for each value a bar is the largest of its neighbours, so that no peak is lost."""
    values = [1.0] * 1000
    values[777] = 50.0
    line = sparkline(values, 40)
    assert len(line) <= 40
    assert line.count("█") == 1


def test_a_bar_of_several_is_a_gap_only_if_all_are_missing() -> None:
    """What is missing does not hide its neighbours."""
    assert sparkline([None, 1.0, None, None, 2.0, None], 3) == "▁ █"


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


def report(*norms: float) -> StatsReport:
    """The report on dumps of one tensor with these norms."""
    with TemporaryDirectory() as folder:
        for k, norm in enumerate(norms):
            np.savez(Path(folder) / f"step_{k}.npz", w=np.array([norm]))
        return stats(folder)


def test_what_is_advised_is_marked() -> None:
    """Below the histogram stand the threshold of the rule, and the one that is advised where that is another."""
    *_, legend, _ = lines(report(*[1.0, 1.1, 0.9] * 4, 200.0), frozenset({"total"}), 60, True)
    assert legend == "m median 1, 9 p90 1.1, M mean 16.31, T threshold by mean 16.31, A advised, mad:5 1.741"
    *_, legend, _ = lines(report(*[1.0, 1.1, 0.9] * 4), frozenset({"total"}), 60, True)
    assert legend == "m median 1, 9 p90 1.1, M mean 1, T threshold by mean 1"


def test_one_finite_dump_is_one() -> None:
    """Of a single finite norm the heading is in the singular."""
    heading, *_ = lines(report(2.0, math.nan), frozenset({"total"}), 60, True)
    assert heading == "norms of 1 dump (log scale)"


@pytest.mark.parametrize(
    ("norms", "line"),
    [
        ([0.0, 0.0, 0.0], "w  ▁▁▁  0 to 0"),
        ([0.0, 1.0, 100.0], "w  ▁▁█  0 to 100"),
        ([math.nan, math.inf, math.nan], "w  !!!  none is finite"),
        ([2.0, math.inf, 20.0], "w  ▁!█  2 to 20"),
    ],
)
def test_the_ends_of_a_line_are_norms_of_the_layer(norms: list[float], line: str) -> None:
    """Behind the bars stand the smallest and the largest finite norm, zeros among them, and nothing that is no norm."""
    _, found, _ = lines(report(*norms), frozenset({"layer"}), 60, True)
    assert found == line


def test_long_names_are_told_apart(tmp_path: Path) -> None:
    """On a terminal long names lose what they have in common, into a pipe they are whole; the bars have the same room."""
    layers = [
        f"base_model.model.model.layers.{k}.self_attn.{name}_proj.lora_A.default" for k in (0, 1) for name in "qkv"
    ]
    for step in (1, 2):
        savez(tmp_path / f"step_{step}.npz", **{f"{layer}.weight": np.array([step]) * 1.0 for layer in layers})
    found = stats(tmp_path)
    _, *cut, _ = lines(found, frozenset({"layer"}), 60, True, shorten=shortened)
    assert [line.split()[0] for line in cut] == [f"….{k}.….{name}_proj.….defa…" for k in (0, 1) for name in "kqv"]
    _, *whole, _ = lines(found, frozenset({"layer"}), 60, True)
    assert [line.split()[0] for line in whole] == sorted(layers)
    assert [line.split()[1:] for line in whole] == [line.split()[1:] for line in cut] == [["▁▅", "1", "to", "2"]] * 6
