"""Shares are whole percents, but never told as nothing."""

import pytest

from gradclip_cli.render.screens.stats_thresholds import percent


@pytest.mark.parametrize(("share", "text"), [(1.0, "100 %"), (0.994, "99 %"), (0.0006, "0.06 %"), (0.0, "0 %")])
def test_shares(share: float, text: str) -> None:
    """A share that is not 0 is never told as 0."""
    assert percent(share) == text
