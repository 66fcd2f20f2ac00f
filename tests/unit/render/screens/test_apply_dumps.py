"""Dumps are called by what tells them apart."""

import pytest

from gradclip_cli.render.screens.apply_dumps import called
from gradclip_cli.reports.apply import ApplyDump, ApplyTotal

TOTAL = ApplyTotal(1, 6, 5.0, 1.0, 3.0, 0.1, 1, 1, 6)


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
