"""The numbers of steps stand below their bars."""

from gradclip_cli.render.screens.stats_norm import ruler


def test_a_ruler_stands_below_its_bars() -> None:
    """Each number is the step of the first dump of the bar above it."""
    assert ruler([0, 100, 200], 3) == "0"
    assert ruler(list(range(0, 2500, 100)), 25) == "0         1000      2000"
    assert ruler(list(range(50)), 25) == "0         20        40"
    assert ruler(list(range(10**9, 10**9 + 25)), 25) == "1000000000          1000000020"


def test_steps_without_numbers_have_no_ruler() -> None:
    """A running number would be taken for a step."""
    assert ruler([None, None], 2) == ""
