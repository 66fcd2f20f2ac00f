"""Report progress: in a worker process it is counted by file, until the process that shows it takes the counts."""

from collections.abc import Callable

Progress = Callable[[int, str], None]
"""Called with a number of bytes that are done and the path of their file."""

_done: dict[str, int] = {}


def silent(_: int, path: str) -> None:
    """Show no progress."""


def portable(progress: Progress) -> Progress:
    """Return what a progress becomes in a task that is sent to a worker process: a function that can be pickled."""
    return silent if progress is silent else count


def count(nbytes: int, path: str) -> None:
    """Take note of bytes of a file that are done."""
    _done[path] = _done.get(path, 0) + nbytes


def taken() -> dict[str, int]:
    """Return the bytes by file since the last call."""
    found = dict(_done)
    _done.clear()
    return found
