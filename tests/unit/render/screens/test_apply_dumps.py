"""Figures of the table of dumps: shares have a blank before their sign, and small ones are not 0."""

import pytest

from gradclip_cli.render.screens.apply_dumps import called, share_text
from gradclip_cli.reports.apply import ApplyDump, ApplyTotal

TOTAL = ApplyTotal(1, 6, 5.0, 1.0, 3.0, 0.1, 1, 1, 6)


@pytest.mark.parametrize(
    ("share", "text"),
    [
        *[(0.345, "34.5 %"), (1.0, "100 %"), (0.0, "0.0 %"), (0.00012, "0.012 %")],
        *[(0.9994, "99.9 %"), (0.9996, "99.96 %"), (0.99999, "> 99.99 %")],
    ],
)
def test_small_shares_are_not_zero(share: float, text: str) -> None:
    """A share below one per cent has two digits, and what is not all is never 100."""
    assert share_text(share) == text


@pytest.mark.parametrize(
    ("given", "step", "name", "text"),
    [
        ("run/a.npz", 7, None, "step 7"),
        ("run/a.npz", None, None, "a.npz"),
        (["run/a.npz", "run/b.npz"], None, None, "a.npz and 1 more"),
        ("run/a.npz", 3, "epoch1-2", "epoch1-2"),
    ],
)
def test_dumps_are_called_by_their_steps(given: str | list[str], step: int | None, name: str | None, text: str) -> None:
    """A dump is called by its step, by the name that stands for it, or by its file."""
    assert called(ApplyDump(given, None, step, TOTAL, [], [], {}, name)) == text
