"""Read files by position. They are never mapped into memory: a file that shrinks then gives an error, not a fatal signal."""

import errno
import os
import stat
import time
from collections.abc import Sequence
from types import TracebackType
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.errors import InputError, OutputError, reason
from gradclip_cli.storage import streams
from gradclip_cli.storage.base import RandomAccess
from gradclip_cli.storage.fingerprint import Fingerprint, changed, fingerprint_in, fingerprint_of
from gradclip_cli.storage.locations import remote_store
from gradclip_cli.storage.seen_from import place_of
from gradclip_cli.storage.spooling import standard_input

_CLOCK = getattr(time, "CLOCK_REALTIME_COARSE", None)  # the clock that Linux file systems use
_PATIENCE = 50
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
_NOT_INSIDE = (
    errno.EXDEV,
    errno.EINVAL,
    errno.ENOSYS,
    errno.EOPNOTSUPP,
    errno.EPERM,
    errno.EBADF,
    errno.ETXTBSY,
    errno.EIO,
)
"""Errors of a kernel that cannot copy between two files; after EIO, reading and writing show which of them failed."""


class InputFile:
    """A regular file that is open for reading; `-` is standard input."""

    tick_ns: ClassVar[int] = int(2e9 * time.clock_getres(_CLOCK)) if _CLOCK is not None else 20_000_000
    """Two changes of a file less than this many nanoseconds apart may get the same time.

    Opening waits until a file is older than that. Set it to 1 if it is known that nobody writes to the files.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._spool = standard_input() if path == streams.STANDARD else None
        try:
            self.fd = os.dup(self._spool.fd) if self._spool else os.open(place_of(path), _FLAGS)
        except (OSError, ValueError) as error:
            raise InputError(reason(error), path=path) from error
        found = os.fstat(self.fd)
        if not stat.S_ISREG(found.st_mode):
            os.close(self.fd)
            kind = "a directory" if stat.S_ISDIR(found.st_mode) else "not a regular file"
            raise InputError(f"is {kind}; give a gradient dump", path=path)
        self.fingerprint = self._settled(fingerprint_in(found)) if self._spool is None else self._look()
        self.size = self.fingerprint.size

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; ignore errors, since it was only read, so that nothing is lost."""
        try:
            os.close(self.fd)
        except OSError:
            return

    def complete(self) -> None:
        """Read a pipe to its end; before this, only its beginning can be read."""
        if self._spool is not None:
            self._spool.complete()
            self.fingerprint = self._look()
            self.size = self.fingerprint.size

    def expect(self, ranges: Sequence[tuple[int, int]], *, more: bool = False) -> None:
        """Do nothing: the system reads ahead by itself."""

    def read(self, offset: int, count: int) -> bytes:
        """Return `count` bytes at `offset`, or fewer where the file ends; both may be any number that a file claims."""
        if offset + count >= 1 << 63:
            return b""
        try:
            return os.pread(self.fd, count, offset)
        except OSError as error:
            raise InputError(reason(error), path=self.path) from error

    def read_into(self, offset: int, out: NDArray[np.uint8]) -> None:
        """Fill `out` with the bytes from `offset` on; raise InputError if the file ends early."""
        view, done = out.data, 0
        try:
            while done < len(view):
                got = os.preadv(self.fd, [view[done:]], offset + done)
                if not got:
                    raise InputError("ends early: it was cut short while it was read", path=self.path)
                done += got
        except OSError as error:
            raise InputError(reason(error), path=self.path) from error

    def copy_inside(self, offset: int, fd: int, to: int, count: int) -> int:
        """Copy bytes inside the kernel, without moving any if the file system can share blocks; return how many were copied.

        Raises OSError if the output has no room.
        """
        done = 0
        while done < count and hasattr(os, "copy_file_range"):  # only on Linux
            try:
                got = os.copy_file_range(self.fd, fd, min(count - done, 1 << 30), offset + done, to + done)
            except OSError as error:
                if error.errno in _NOT_INSIDE:
                    break
                raise
            if not got:
                break
            done += got
        return done

    def check_unchanged(self) -> None:
        """Raise InputError if the file changed since it was opened: the data may be a mixture of old and new."""
        if self._look() != self.fingerprint:
            raise changed(self.path)

    def _settled(self, found: Fingerprint) -> Fingerprint:
        """Wait until the file is old enough that any further change gets another time; return its fingerprint then."""
        for _ in range(_PATIENCE):
            age = time.time_ns() - int(found.version)
            if not 0 <= age < self.tick_ns:
                return found
            time.sleep((self.tick_ns - age) / 1e9)
            found = self._look()
        os.close(self.fd)
        raise InputError("is being written to; wait until it is complete and run again", path=self.path)

    def _look(self) -> Fingerprint:
        return fingerprint_of(self.fd)


def open_input(location: str) -> RandomAccess:
    """Open a file for reading, wherever it is; raise InputError if that fails."""
    store = remote_store(location)
    return InputFile(location) if store is None else store.open(location)


def reopened(fd: int) -> str:
    """Return a path that opens the file behind a descriptor, even if that file has been renamed."""
    path = f"/proc/self/fd/{fd}"
    return path if os.path.exists(path) else f"/dev/fd/{fd}"


def write_at(fd: int, offset: int, data: memoryview | bytes, path: str) -> None:
    """Write all of `data` at `offset`; raise OutputError if that fails."""
    view, done = memoryview(data), 0
    try:
        while done < len(view):
            done += os.pwrite(fd, view[done:], offset + done)
    except OSError as error:
        raise OutputError(reason(error) + streams.place(path), path=path) from error


def extend(fd: int, size: int, path: str) -> None:
    """Give a new file its final size in bytes."""
    try:
        os.ftruncate(fd, size)
    except OSError as error:
        raise OutputError(reason(error) + streams.place(path), path=path) from error


def copy_at(source: RandomAccess, offset: int, fd: int, to: int, count: int, path: str) -> None:
    """Copy `count` bytes of a file to position `to` of the output at `path`, inside the system if it can."""
    try:
        done = source.copy_inside(offset, fd, to, count)
    except OSError as error:
        raise OutputError(reason(error) + streams.place(path), path=path) from error
    piece = 1 << 20 if source.fd is not None else 8 << 20  # what is remote is asked for in fewer requests
    while done < count:
        part = source.read(offset + done, min(count - done, piece))
        if not part:
            raise InputError("ends early: it was cut short while it was read", path=source.path)
        write_at(fd, to + done, part, path)
        done += len(part)
