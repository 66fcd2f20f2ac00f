"""Report progress: in a worker process each thread counts it by file, until the process that shows it takes the counts."""

import threading
from collections.abc import Callable
from typing import Protocol, runtime_checkable

Progress = Callable[[int, str], None]
"""Called with a number of bytes that are done and the path of their file."""


@runtime_checkable
class Crew(Protocol):
    """A progress that also shows how many workers of a cluster there are."""

    def __call__(self, nbytes: int, path: str, /) -> None:
        """Take note of bytes of a file that are done."""

    def workers(self, count: int) -> None:
        """Take note of how many workers there are now."""


class _Done(threading.local):
    """The bytes that are done by file."""

    def __init__(self) -> None:
        self.of: dict[str, int] = {}


_done = _Done()


def silent(_: int, path: str) -> None:
    """Show no progress."""


def portable(progress: Progress) -> Progress:
    """Return what a progress becomes in a task that is sent to a worker process: a function that can be pickled."""
    return silent if progress is silent else count


def count(nbytes: int, path: str) -> None:
    """Take note of bytes of a file that are done."""
    _done.of[path] = _done.of.get(path, 0) + nbytes


def taken() -> dict[str, int]:
    """Return the bytes by file since the last call of this thread."""
    found, _done.of = _done.of, {}
    return found
