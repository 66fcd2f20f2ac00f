"""Find files by the paths of a caller who works in another folder, perhaps of another machine."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_own = threading.local()


@contextmanager
def seen_from(folder: str) -> Iterator[None]:
    """Let relative paths of inputs, in this thread, begin in a folder: messages name them as the caller does."""
    before = getattr(_own, "folder", None)
    _own.folder = folder
    try:
        yield
    finally:
        _own.folder = before


def place_of(path: str) -> str:
    """Return the path by which this process finds an input.

    >>> with seen_from("/data/run"):
    ...     place_of("step_1.npz"), place_of("/data/step_2.npz")
    ('/data/run/step_1.npz', '/data/step_2.npz')
    """
    folder = getattr(_own, "folder", None)
    return path if folder is None else os.path.join(folder, path)
