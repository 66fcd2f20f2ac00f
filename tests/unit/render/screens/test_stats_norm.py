"""The numbers of steps stand below their bars."""

from gradclip_cli.render.screens.stats_norm import ruler


def test_a_ruler_stands_below_its_bars() -> None:
    """Each number but the last is the step of the first dump of the bar above it; the last ends where the bars end."""
    assert ruler(list(range(60)), 60) == "0         10        20        30        40        50      59"
    assert ruler(list(range(0, 2500, 100)), 25) == "0         1000       2400"
    assert ruler(list(range(50)), 25) == "0         20        40 49"
    assert ruler(list(range(10**9, 10**9 + 25)), 25) == "1000000000     1000000024"


def test_short_runs_have_their_last_step() -> None:
    """Where the last number does not fit below its bar, it stands beside the first."""
    assert ruler([0, 1, 2], 3) == "0 2"
    assert ruler([0, 100, 200], 3) == "0 200"
    assert ruler(list(range(1000, 1005)), 5) == "1000 1004"
    assert ruler(list(range(12)), 12) == "0         11"
    assert ruler([7], 1) == "7"


def test_steps_without_numbers_have_no_ruler() -> None:
    """A running number would be taken for a step."""
    assert ruler([None, None], 2) == ""
