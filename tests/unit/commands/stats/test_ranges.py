"""Steps are named by ranges of their numbers, where these say which dumps are meant."""

import numpy as np
import pytest

from gradclip_cli.commands.stats.ranges import step_ranges
from gradclip_cli.thresholds.norm_table import Step


def ranges(marked: list[int], numbers: list[int | None]) -> list[tuple[int, int]] | None:
    """The ranges of the dumps at these places, of a series of these steps."""
    which = np.isin(np.arange(len(numbers)), marked)
    return step_ranges(which, [Step(f"{k}.npz", number) for k, number in enumerate(numbers)])


def test_dumps_that_follow_each_other_make_a_range() -> None:
    """Both ends are in, and a step of its own is a range of one."""
    assert ranges([0, 1, 2, 4], [0, 1, 2, 3, 4, 5]) == [(0, 2), (4, 4)]
    assert ranges([], [0, 1]) == []
    assert ranges([0, 1], [0, 1]) == [(0, 1)]


def test_a_range_is_of_dumps_whatever_their_numbers() -> None:
    """In a run that is saved every hundred steps, 0 to 200 are the first three dumps."""
    assert ranges([0, 1, 2, 4], [0, 100, 200, 300, 400]) == [(0, 200), (400, 400)]


@pytest.mark.parametrize("numbers", [[None, None], [1, None], [3, 3], [5, 2]])
def test_steps_without_growing_numbers_have_no_ranges(numbers: list[int | None]) -> None:
    """A range would not say which dumps it covers."""
    assert ranges([0], numbers) is None
