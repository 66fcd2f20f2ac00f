"""Share one child process between all HDF5 files of a call, from when the first is read until the call is over.

Nothing heavy is imported here: every call, of dumps of any format, asks for it.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gradclip_cli.formats.hdf5.child import Child

_SERVICE = "gradclip_cli.formats.hdf5.answers:start"


class Sharing:
    """A child that is there while it has users; it starts when the first of them asks something."""

    def __init__(self) -> None:
        self._lock, self._users = threading.Lock(), 0
        self._child: Child | None = None

    def child(self) -> "Child":
        """Return the child, a new one where there is none, or the last one has ended."""
        from gradclip_cli.formats.hdf5.child import Child

        with self._lock:
            if self._child is None or not self._child.is_ours:
                self._child = Child(_SERVICE)
            return self._child

    def join(self) -> None:
        """Count one more user."""
        with self._lock:
            self._users += 1

    def leave(self) -> None:
        """Count one user less; the last one ends the child."""
        with self._lock:
            self._users -= 1
            if not self._users and self._child is not None:
                self._child.stop()
                self._child = None


sharing = Sharing()


@contextmanager
def one_child() -> Iterator[None]:
    """Let one child serve all files that are opened inside."""
    sharing.join()
    try:
        yield
    finally:
        sharing.leave()
