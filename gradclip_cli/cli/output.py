"""Where reports, notes and progress go."""

import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import click

from gradclip_cli import render, shards
from gradclip_cli.errors import OutputError
from gradclip_cli.signals import before_the_end
from gradclip_cli.streams import STANDARD
from gradclip_cli.text import one_line

if TYPE_CHECKING:
    from gradclip_cli.render.view import View
    from gradclip_cli.report import Report

_LONG = 256 << 20
_STRIDE = 16 << 20


def show(report: "Report", view: "View", err: bool = False) -> None:
    """Write notes to standard error and the report to standard output, or with `err` to standard error too."""
    warn(report.notes)
    stream = sys.stderr if err else sys.stdout
    if stream is None:
        if err:
            return
        raise OutputError("is closed", path="standard output")
    render.write(report, stream, view)
    stream.flush()


def warn(notes: Sequence[str]) -> None:
    """Write one line a note to standard error."""
    for note in notes:
        click.echo(f"Warning: {one_line(note)}", err=True)


@contextmanager
def progress(inputs: Sequence[str], passes: int, quiet: bool) -> Iterator[Callable[[int], None]]:
    """Show how far long work has come, where standard error is a terminal; yield what is to be told of bytes done."""
    total = passes * sum(_size(part) for path in inputs for part in shards.parts(path))
    if quiet or sys.stderr is None or not sys.stderr.isatty() or total < _LONG or os.environ.get("TERM") == "dumb":
        yield lambda count: None
        return
    before_the_end.append(_show_cursor)
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    with Progress(
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        task = bar.add_task("", total=total)
        yield _Ticker(lambda count: bar.advance(task, count)).tick


def _show_cursor() -> None:
    """Undo what a bar does to the terminal."""
    os.write(2, b"\x1b[?25h\n")


class _Ticker:
    """Passes on what has been done in large strides: a bar need not know of every piece."""

    def __init__(self, advance: Callable[[int], None]) -> None:
        self._advance = advance
        self._waiting, self._lock = 0, threading.Lock()

    def tick(self, count: int) -> None:
        """Take note of `count` bytes."""
        with self._lock:
            self._waiting += count
            ready, self._waiting = (self._waiting, 0) if self._waiting >= _STRIDE else (0, self._waiting)
        if ready:
            self._advance(ready)


def _size(path: str) -> int:
    with suppress(OSError):
        return os.fstat(0).st_size if path == STANDARD else os.path.getsize(path)
    return 0
