"""Keep what all files of a call share, such as a child process, until the last call is over.

Every call imports this module, whatever the format of its dumps: it must import nothing heavy.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Calls:
    """Count the running calls of all threads; the last one to end releases what they share."""

    def __init__(self) -> None:
        self._lock, self._under_way = threading.Lock(), 0
        self._ends: list[Callable[[], object]] = []

    def at_the_end(self, end: Callable[[], object]) -> None:
        """Register a function that the last call runs when it ends."""
        with self._lock:
            self._ends.append(end)

    def join(self) -> None:
        """Count one more call."""
        with self._lock:
            self._under_way += 1

    def leave(self) -> None:
        """Count one call less; run the registered functions after the last one."""
        with self._lock:
            self._under_way -= 1
            ends, self._ends = ([], self._ends) if self._under_way else (self._ends, [])
        for end in ends:
            end()


calls = Calls()


@contextmanager
def one_call() -> Iterator[None]:
    """Let all files that are opened inside share what their format starts once, such as the child process of HDF5."""
    calls.join()
    try:
        yield
    finally:
        calls.leave()
