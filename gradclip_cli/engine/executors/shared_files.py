"""Send values to a machine that shares the file system: it opens the outputs that they write to by path, and URLs by itself.

On a network file system a machine writes back whole pages, and reads those that it has kept. So whoever hands an output over
writes back what it has of it before, and keeps nothing of it; the other one opens it for writing only.
"""

import fcntl
import io
import os
import pickle
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from gradclip_cli.errors import OutputError, reason
from gradclip_cli.formats.portable import PortableReader
from gradclip_cli.storage.descriptor import Descriptor

_GET_PATH, _LONGEST = getattr(fcntl, "F_GETPATH", None), 1024


class Shipped(NamedTuple):
    """A value as bytes, and the outputs that it writes to."""

    data: bytes
    outputs: Sequence[int]

    def hand_over(self) -> None:
        """Write back what this machine has of the outputs, and keep nothing of it; raise OutputError if that fails."""
        for fd in self.outputs:
            try:
                os.fsync(fd)
            except OSError as error:
                raise OutputError(reason(error), path=_path_of(fd)) from error
            if hasattr(os, "posix_fadvise"):
                with suppress(OSError):
                    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)


def shipped(value: object) -> Shipped:
    """Pickle a value; raise TypeError or another error of `pickle` if a part of it cannot leave this process."""
    outputs: list[int] = []

    def reduce(one: Descriptor) -> tuple[type["_ByPath"], tuple[str, int]]:
        outputs.append(one.fd)
        path, inode = _path_of(one.fd), os.fstat(one.fd).st_ino
        if os.stat(path).st_ino != inode:
            raise TypeError("an output without a name cannot be written by another machine")
        return _ByPath, (path, inode)

    target = io.BytesIO()
    pickler = pickle.Pickler(target, pickle.HIGHEST_PROTOCOL)
    pickler.dispatch_table = {Descriptor: reduce, PortableReader: PortableReader.as_bytes}
    pickler.dump(value)
    return Shipped(target.getvalue(), outputs)


def _path_of(fd: int) -> str:
    """Return the path of an open file; raise TypeError if it has none."""
    try:
        if _GET_PATH is not None:
            return os.fsdecode(fcntl.fcntl(fd, _GET_PATH, bytes(_LONGEST)).rstrip(b"\0"))
        path = os.readlink(f"/proc/self/fd/{fd}")
        os.stat(path)
    except OSError as error:
        raise TypeError("an output without a name cannot be written by another machine") from error
    return path


class _Opened(threading.local):
    """The outputs that this thread has opened."""

    def __init__(self) -> None:
        self.fds: dict[str, int] = {}


_opened = _Opened()


class _ByPath:
    """Stands in the bytes for an output: what unpickles as its descriptor on the other machine."""

    def __new__(cls, path: str, inode: int) -> Any:
        """Return the descriptor; raise OutputError if there is no such file here."""
        if path in _opened.fds:
            return Descriptor(_opened.fds[path])
        try:
            fd = _opened.fds[path] = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            found = os.fstat(fd).st_ino
        except OSError as error:
            what = f"{reason(error)}; give an output in a folder that all workers share and may write to"
            raise OutputError(what, path=os.path.dirname(path)) from error
        if found != inode:
            what = "is another folder for a worker; give an output in one that all workers share"
            raise OutputError(what, path=os.path.dirname(path))
        return Descriptor(fd)


@contextmanager
def outputs_of_a_task() -> Iterator[None]:
    """Close the outputs that were opened inside; raise OutputError if what was written does not reach the file system."""
    try:
        yield
        for path, fd in _opened.fds.items():
            try:
                os.fsync(fd)
            except OSError as error:
                raise OutputError(reason(error), path=path) from error
    finally:
        fds, _opened.fds = _opened.fds, {}
        for fd in fds.values():
            with suppress(OSError):
                os.close(fd)
