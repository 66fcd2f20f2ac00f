"""The progress that commands hand to the functions."""

import sys
from pathlib import Path

import click
import pytest

from gradclip_cli.cli.progress import Bar, Watched, progress


def test_dumps_are_counted_where_nothing_is_drawn(tmp_path: Path) -> None:
    """How many dumps there are is known afterwards, on a terminal or not."""
    with progress(quiet=True) as watched:
        watched.start(2, [str(tmp_path / "a"), str(tmp_path / "b")], 2)
        watched.advance(10, str(tmp_path / "a"))
    assert watched.dumps == 2


def test_a_bar_says_what_is_read() -> None:
    """It names the file without secrets; on a cluster, it counts the files that were begun, and the workers."""
    bar = Bar({f"https://h/{name}.npz?sig=unspoken": 10 for name in "abc"})
    with bar:
        bar.tell(5, "https://h/a.npz?sig=unspoken")
        assert bar.doing == "a.npz?…"
        bar.workers = 7
        assert bar.doing == "1/3 files, 7 workers"


def test_every_pass_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is read twice has twice its bytes to be done."""
    (tmp_path / "a.npz").write_bytes(bytes(100))
    started: list[Bar] = []
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(Bar, "__enter__", started.append)
    monkeypatch.setattr(Bar, "__exit__", lambda *_: None)
    with click.Context(click.Command("x")), progress(quiet=False) as watched:
        watched.start(2, [str(tmp_path / "a.npz"), str(tmp_path / "gone.npz")], 2)
        watched.advance(30, str(tmp_path / "a.npz"))
    assert isinstance(watched, Watched)
    assert [dict(bar.sizes) for bar in started] == [{str(tmp_path / "a.npz"): 200, str(tmp_path / "gone.npz"): 0}]
    assert started[0].done == 30
