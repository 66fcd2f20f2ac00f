"""Show progress: a bar on a terminal, for work that takes longer than a second."""

import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta

import click

from gradclip_cli.errors import GradclipError
from gradclip_cli.storage.interrupts import cleanups
from gradclip_cli.storage.locations import size
from gradclip_cli.storage.streams import STANDARD
from gradclip_cli.text import plural, printable

PATIENCE = 1.0
"""Seconds of work before a bar is drawn."""

_INTERVAL = 0.1


class Watched:
    """The `Progress` that commands pass to the API; it draws a bar where standard error is a terminal."""

    def __init__(self, stack: ExitStack, quiet: bool) -> None:
        self.dumps = 0
        self._stack, self._bar = stack, None if quiet or not _can_draw() else Bar(color=_is_coloured())

    def start(self, dumps: int, files: Iterable[str], passes: int) -> None:
        """Record the number of dumps and the bytes to be read, and start the bar."""
        self.dumps = dumps
        if self._bar is not None:
            self._bar.sizes = {file: passes * _size(file) for file in files}
            self._stack.enter_context(self._bar)

    def advance(self, count: int, path: str) -> None:
        """Take note of `count` bytes of a file; from any thread."""
        if self._bar is not None:
            self._bar.tell(count, path)

    __call__ = advance

    def workers(self, count: int) -> None:
        """Take note of how many workers of a cluster there are."""
        if self._bar is not None:
            self._bar.workers = count


@contextmanager
def progress(quiet: bool) -> Iterator[Watched]:
    """Yield the progress of one call, and clear what it has drawn at the end."""
    with ExitStack() as stack:
        yield Watched(stack, quiet)


def _can_draw() -> bool:
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def _is_coloured() -> bool:
    return not click.get_current_context().params.get("no_color")


def _size(path: str) -> int:
    """Return the size of a file in bytes; 0 where it is unknown, as for a pipe."""
    with suppress(OSError, GradclipError):
        return os.fstat(0).st_size if path == STANDARD else size(path)
    return 0


class Bar:
    """Count the bytes done, and draw them in a thread of its own, so that the work only has to count.

    The thread starts with the first bytes, since worker processes can be forked only before there is another thread. `sizes`
    holds the bytes to be read of each file; no file counts for more, even if it unpacks to more.
    """

    def __init__(self, sizes: Mapping[str, int] | None = None, color: bool = True) -> None:
        self.sizes, self._color = sizes or {}, color
        self._done: dict[str, int] = {}
        self._path = ""
        self.workers: int | None = None
        self._start = time.monotonic()
        self._lock, self._over = threading.Lock(), threading.Event()
        self._painter: threading.Thread | None = None

    def __enter__(self) -> "Bar":
        self._start = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._painter is not None:
            self._painter.join()

    def tell(self, count: int, path: str) -> None:
        """Take note of `count` bytes of a file; from any thread."""
        with self._lock:
            self._done[path] = self._done.get(path, 0) + count
            self._path = path
            if self._painter is None:
                self._painter = threading.Thread(target=self._paint, daemon=True)
                self._painter.start()

    @property
    def done(self) -> int:
        """Return the bytes done so far."""
        with self._lock:
            return sum(min(count, self.sizes.get(path) or count) for path, count in self._done.items())

    @property
    def total(self) -> int | None:
        """Return the bytes to be read in all; None where that is unknown, as for a pipe."""
        return sum(self.sizes.values()) if all(self.sizes.values()) else None

    @property
    def doing(self) -> str:
        """Say what is read: a file, or on a cluster, which reads many at once, how many of them were begun."""
        if self.workers is None:
            return os.path.basename(printable(self._path))
        with self._lock:
            begun = len(self._done)
        return f"{begun:,}/{plural(len(self.sizes), 'file')}, {plural(self.workers, 'worker')}"

    def _paint(self) -> None:
        if self._over.wait(max(0.0, self._start + PATIENCE - time.monotonic())):
            return
        from gradclip_cli.cli.bar import make_bar

        cleanups.append(_show_cursor)
        with make_bar(self._color, named=len(self.sizes) > 1) as bar:
            task = bar.add_task("", total=self.total, file="", pace="")
            while True:
                done = self.done
                pace = paced(done, self.total, time.monotonic() - self._start)
                bar.update(task, completed=done, file=self.doing, pace=pace)
                if self._over.wait(_INTERVAL):
                    break
        cleanups.remove(_show_cursor)


def paced(done: int, total: int | None, seconds: float) -> str:
    """Write the average speed since the start of the work, and the time left at that speed.

    >>> paced(1_500_000, 4_500_000, 2.0)
    '750 kB/s 0:00:04'
    """
    if not done:
        return ""
    rate = done / seconds
    size = f"{rate / 1e6:,.0f} MB/s" if rate >= 1e6 else f"{rate / 1e3:,.0f} kB/s"
    return size if total is None else f"{size} {timedelta(seconds=round((total - done) / rate))}"


def _show_cursor() -> None:
    """Show the cursor, which the bar hides, and clear the bar's line."""
    with suppress(OSError):  # the terminal may be gone
        os.write(2, b"\r\x1b[2K\x1b[?25h")
