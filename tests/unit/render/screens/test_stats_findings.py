"""Steps, blocks and multiples are written short."""

import pytest

from gradclip_cli.render.screens.stats_findings import block_ranges, steps_text, times


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
