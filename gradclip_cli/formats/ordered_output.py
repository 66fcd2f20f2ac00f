"""Packed tensors, done in any order, put into a file in the order of their declaration."""

import os
import threading
from collections.abc import Callable, Sequence
from typing import IO

from gradclip_cli.storage.streams import is_stream, temporary_file

_IN_MEMORY = 1 << 20


def spool(path: str) -> IO[bytes]:
    """Return a temporary file without a name, once it is larger than a megabyte on the disk of `path`, or in TMPDIR for a stream."""
    folder = os.path.dirname(path) or "."
    return temporary_file(None if is_stream(path) or not os.path.isdir(folder) else folder, _IN_MEMORY)


class Turns:
    """Calls what each tensor has to be done last in the order of `names`, so that the same input makes the same bytes."""

    def __init__(self, names: Sequence[str]) -> None:
        self._waiting = list(reversed(names))
        self._ready: dict[str, Callable[[], None]] = {}
        self._lock = threading.Lock()
        self._spools: list[IO[bytes]] = []

    def spool(self, path: str) -> IO[bytes]:
        """Return a temporary file that is closed when all is over."""
        self._spools.append(spool(path))
        return self._spools[-1]

    def close(self) -> None:
        """Let go of what is still waiting for its turn."""
        for held in self._spools:
            held.close()

    def take(self, name: str, place: Callable[[], None]) -> None:
        """Call `place` when all tensors before `name` have been placed: now, or in the call that completes the last of them."""
        with self._lock:
            self._ready[name] = place
            while self._waiting and self._waiting[-1] in self._ready:
                self._ready.pop(self._waiting.pop())()
