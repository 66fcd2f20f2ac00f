"""A remote file as the HDF5 library sees it: the child asks its parent, which holds the connection, for blocks of it."""

import io
import signal
import socket
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from os import dup
from typing import Any

from gradclip_cli.formats.hdf5.messages import Message, receive, send

NAME = "block"
"""What a message to the parent begins with if it asks for bytes of the file that the request is about."""
AHEAD = "ahead"
"""What one begins with that says which bytes will be asked for; it has no answer."""

LONGEST = 32 << 10
"""The size of a block in bytes: the parent, which answers in microseconds what it has, fetches larger ones."""

_KEPT = 256


class BlockFile(io.RawIOBase):
    """A remote file of `size` bytes, read in blocks of which the last 256 are kept; for h5py's driver of file objects."""

    def __init__(self, size: int) -> None:
        self.size, self._at = size, 0
        self._blocks: OrderedDict[int, memoryview] = OrderedDict()
        self._missing: set[int] | None = None

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def seekable(self) -> bool:
        """Say that it can be read at any position."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move the position."""
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence]
        return self._at

    def readinto(self, out: Any) -> int:
        """Fill `out` with the bytes at the position, as far as the file goes; what lies behind its end is zero."""
        view, done = memoryview(out).cast("B"), 0
        self._check(len(view))
        while done < len(view) and self._at < self.size:
            start = self._at % LONGEST
            part = self._block(self._at // LONGEST)[start : start + len(view) - done]
            if not part:
                raise OSError("it ends early")
            view[done : done + len(part)] = part
            done += len(part)
            self._at += len(part)
        view[done:] = bytes(len(view) - done)
        return done

    @contextmanager
    def noting(self) -> Iterator[set[int]]:
        """Raise OSError for what lies in blocks that are not here, and note their numbers, instead of asking for them."""
        self._missing = missing = set[int]()
        try:
            yield missing
        finally:
            self._missing = None

    def fetch(self, numbers: Iterable[int]) -> None:
        """Fetch blocks side by side."""
        wanted = sorted(numbers)
        _announce([(number * LONGEST, LONGEST) for number in wanted])
        for number in wanted:
            self._block(number)

    def _check(self, nbytes: int) -> None:
        """Raise OSError if one of the next bytes has to be fetched, and must not be now."""
        if self._missing is None:
            return
        stop = min(self._at + nbytes, self.size)
        there = range(self._at // LONGEST, -(-stop // LONGEST))
        if missing := {number for number in there if number not in self._blocks}:
            self._missing |= missing
            raise OSError("it has not been fetched")

    def _block(self, number: int) -> memoryview:
        found = self._blocks.pop(number, None)
        if found is None:
            start = number * LONGEST
            found = memoryview(_asked(start, min(LONGEST, self.size - start)))
            if len(self._blocks) == _KEPT:
                self._blocks.popitem(last=False)
        self._blocks[number] = found
        return found


def _announce(ranges: list[tuple[int, int]]) -> None:
    """Say which bytes of the file will be asked for."""
    send(_parent(), Message([AHEAD, ranges]))


def _asked(offset: int, count: int) -> bytes | bytearray | memoryview:
    """Return bytes of the file from the parent; the clock of the request stands still meanwhile."""
    left = signal.alarm(0)
    try:
        send(_parent(), Message([NAME, [offset, count]]))
        reply = receive(_parent())
    finally:
        signal.alarm(left)
    if reply is None:
        raise OSError("its other end is gone")
    return reply.payload


@cache
def _parent() -> socket.socket:
    """Return the channel to the parent: a socket of its own, so that closing it leaves descriptor 0 open."""
    return socket.socket(fileno=dup(0))
