"""Steps, blocks and multiples are written short, and rulers stand below their bars."""

import pytest

from gradclip_cli.render.screens.stats_findings import block_ranges, steps_text, times
from gradclip_cli.render.screens.stats_norm import ruler
from gradclip_cli.render.screens.stats_thresholds import percent


@pytest.mark.parametrize(
    ("width", "text"),
    [(60, "0-4, 17, 41, 43-50"), (18, "0-4, 17, 41, 43-50"), (17, "0-4, 17, 2 more"), (3, "4 ranges")],
)
def test_ranges_fit_or_are_counted(width: int, text: str) -> None:
    """What does not fit is counted in words."""
    found = steps_text([(0, 4), (17, 17), (41, 41), (43, 50)], width)
    assert found == text
    assert len(found) <= max(width, 8)


def test_no_ranges() -> None:
    """Steps without numbers have a dash, and no step is nothing."""
    assert (steps_text(None), steps_text([])) == ("-", "")


def test_blocks_of_numbers_in_a_row() -> None:
    """Only numbers that follow each other, of one stem, are joined."""
    names = ["h.0", "h.1", "h.2", "h.4", "g.5", "x", "h.9", "h.10"]
    assert block_ranges(names) == ["h.0-2", "h.4", "g.5", "x", "h.9-10"]
    assert block_ranges(["9" * 400, "0"]) == ["9" * 400, "0"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.0, "1 x"), (1.54, "1.5 x"), (18.6, "19 x"), (99.9, "100 x"), (850.4, "850 x"), (1e7, "1e+07 x")],
)
def test_multiples(value: float, text: str) -> None:
    """Two digits are enough, and large ones are written out."""
    assert times(value) == text


@pytest.mark.parametrize(("share", "text"), [(1.0, "100 %"), (0.994, "99 %"), (0.0006, "0.06 %"), (0.0, "0 %")])
def test_shares(share: float, text: str) -> None:
    """A share that is not 0 is never told as 0."""
    assert percent(share) == text


def test_a_ruler_stands_below_its_bars() -> None:
    """Each number is the step of the first dump of the bar above it."""
    assert ruler([0, 100, 200], 3) == "0"
    assert ruler(list(range(0, 2500, 100)), 25) == "0         1000      2000"
    assert ruler(list(range(50)), 25) == "0         20        40"
    assert ruler(list(range(10**9, 10**9 + 25)), 25) == "1000000000          1000000020"


def test_steps_without_numbers_have_no_ruler() -> None:
    """A running number would be taken for a step."""
    assert ruler([None, None], 2) == ""
