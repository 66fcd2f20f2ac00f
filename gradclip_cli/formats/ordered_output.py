"""Place tensors that are packed in any order into a file in the order of their declaration."""

import os
import threading
from collections.abc import Callable, Sequence
from typing import IO

from gradclip_cli.storage.streams import is_stream, temporary_file

_IN_MEMORY = 1 << 20


def spool(path: str) -> IO[bytes]:
    """Return a nameless temporary file; above a megabyte it lies on the disk of `path`, or in TMPDIR for a stream."""
    folder = os.path.dirname(path) or "."
    return temporary_file(None if is_stream(path) or not os.path.isdir(folder) else folder, _IN_MEMORY)


class OrderedOutput:
    """Run the last step of each tensor in the order of `names`, so that the same input gives the same bytes."""

    def __init__(self, names: Sequence[str]) -> None:
        self._waiting = list(reversed(names))
        self._ready: dict[str, Callable[[], None]] = {}
        self._lock = threading.Lock()
        self._spools: list[IO[bytes]] = []

    def spool(self, path: str) -> IO[bytes]:
        """Return a temporary file that `close` closes."""
        self._spools.append(spool(path))
        return self._spools[-1]

    def close(self) -> None:
        """Close the temporary files, also of tensors that were never placed."""
        for held in self._spools:
            held.close()

    def submit(self, name: str, place: Callable[[], None]) -> None:
        """Call `place` once all tensors before `name` are placed: now, or inside the call that submits the last of them."""
        with self._lock:
            self._ready[name] = place
            while self._waiting and self._waiting[-1] in self._ready:
                self._ready.pop(self._waiting.pop())()
