"""Steps, blocks and multiples are written short."""

import pytest

from gradclip_cli.render.screens.stats_findings import block_ranges, steps_text


@pytest.mark.parametrize(
    ("width", "text"),
    [
        (60, "0-4, 17, 41, 43-50"),
        (18, "0-4, 17, 41, 43-50"),
        (17, "0-4, 17, 9 more"),
        (12, "0-4, 10 more"),
        (3, "15 steps"),
    ],
)
def test_steps_fit_or_are_counted(width: int, text: str) -> None:
    """What does not fit is counted: steps, and not ranges of them."""
    assert steps_text([(0, 4), (17, 17), (41, 41), (43, 50)], range(60), width) == text


def test_only_steps_of_the_series_are_counted() -> None:
    """A range over every tenth step has as many as there are dumps."""
    assert steps_text([(0, 40), (60, 60), (80, 90)], range(0, 100, 10), 12) == "0-40, 3 more"


def test_no_ranges() -> None:
    """Steps without numbers have a dash, and no step is nothing."""
    assert (steps_text(None, []), steps_text([], [])) == ("-", "")


def test_blocks_of_numbers_in_a_row() -> None:
    """Only numbers that follow each other, of one stem, are joined."""
    names = ["h.0", "h.1", "h.2", "h.4", "g.5", "x", "h.9", "h.10"]
    assert block_ranges(names) == ["h.0-2", "h.4", "g.5", "x", "h.9-10"]
    assert block_ranges(["9" * 400, "0"]) == ["9" * 400, "0"]
