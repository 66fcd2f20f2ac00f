"""What all files of a call share, such as a child process, from when the first needs it until the last call is over.

Nothing heavy is imported here: every call, of dumps of any format, asks for it.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Calls:
    """Counts the calls under way, of any thread; the last one ends what they share."""

    def __init__(self) -> None:
        self._lock, self._under_way = threading.Lock(), 0
        self._ends: list[Callable[[], object]] = []

    def at_the_end(self, end: Callable[[], object]) -> None:
        """Take note of what ends something that is shared."""
        with self._lock:
            self._ends.append(end)

    def join(self) -> None:
        """Count one more call."""
        with self._lock:
            self._under_way += 1

    def leave(self) -> None:
        """Count one call less; the last one ends what was shared."""
        with self._lock:
            self._under_way -= 1
            ends, self._ends = ([], self._ends) if self._under_way else (self._ends, [])
        for end in ends:
            end()


calls = Calls()


@contextmanager
def one_call() -> Iterator[None]:
    """Let all files that are opened inside share what a format starts for the first of them: HDF5 a child process."""
    calls.join()
    try:
        yield
    finally:
        calls.leave()
