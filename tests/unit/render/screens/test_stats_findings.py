"""Blocks are written short, and kinds of steps are told apart."""

from pathlib import Path

import numpy as np
import pytest
from support.findings import series

from gradclip_cli import stats
from gradclip_cli.render.screens.stats_findings import block_ranges, found


def test_blocks_of_numbers_in_a_row() -> None:
    """Only numbers that follow each other, of one stem, are joined."""
    names = ["h.0", "h.1", "h.2", "h.4", "g.5", "x", "h.9", "h.10"]
    assert block_ranges(names) == ["h.0-2", "h.4", "g.5", "x", "h.9-10"]
    assert block_ranges(["9" * 400, "0"]) == ["9" * 400, "0"]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ([], ""),
        ([np.nan], "; and 1 more step"),
        ([np.inf], "; and 1 more step, Inf"),
        ([np.inf, np.nan], "; and 2 more steps, 1 of them Inf"),
    ],
)
def test_steps_that_are_infinite_are_not_called_nan(more: list[float], says: str, tmp_path: Path) -> None:
    """The kind of the first step stands in front; those of the others are named where they are not the same."""
    rows = found(stats(series(tmp_path, [{"a.w": [value]} for value in (1.0, np.nan, *more)])))
    assert (str(rows[0][0].text), rows[0][2]) == ("NaN", f"a.w  1 of 1, at [0]{says}")
