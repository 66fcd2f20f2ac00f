"""Keep what is fetched of remote files on the disk, so that whoever reads it again asks the store for nothing."""

import os
import threading
from bisect import bisect_right
from collections.abc import Hashable, Iterable, Iterator
from contextlib import contextmanager

_SHARE = 4
"""The part of the free space in TMPDIR that may be filled is one in so many: outputs on their way to a store are there, too."""


class Kept:
    """Ranges of a file of `size` bytes, in the unnamed temporary file of all that share its room, at places of their own."""

    def __init__(self, room: "Room", size: int) -> None:
        self._room, self._size, self._lock = room, size, threading.Lock()
        self._fd, self._base = -1, 0
        self._starts: list[int] = []  # of ranges that neither overlap nor adjoin, in order
        self._stops: list[int] = []

    def put(self, start: int, data: memoryview) -> None:
        """Keep the bytes from `start` on, if there is room; whatever goes wrong, they are fetched again."""
        nbytes = len(data)
        if self.holds(start, start + nbytes) or not self._room.take(nbytes):
            return
        try:
            with self._lock:
                if self._fd < 0:
                    self._fd, self._base = self._room.join(self._size)
                if os.pwrite(self._fd, data, self._base + start) == nbytes:
                    self._add(start, start + nbytes)
        except OSError:
            self._room.refuse()

    def holds(self, start: int, stop: int) -> bool:
        """Whether all of a range is kept."""
        with self._lock:
            k = bisect_right(self._starts, start) - 1
            return k >= 0 and stop <= self._stops[k]

    def read(self, start: int, stop: int) -> bytes | None:
        """Return a range if it is kept."""
        if not self.holds(start, stop):
            return None
        try:
            found = os.pread(self._fd, stop - start, self._base + start)
        except OSError:
            return None
        return found if len(found) == stop - start else None

    def read_into(self, start: int, out: memoryview) -> bool:
        """Fill `out` with the bytes from `start` on, and return whether they are kept."""
        if not self.holds(start, start + len(out)):
            return False
        try:
            return os.preadv(self._fd, [out], self._base + start) == len(out)
        except OSError:
            return False

    def close(self) -> None:
        """Forget everything."""
        with self._lock:
            self._starts, self._stops = [], []
            if self._fd >= 0:
                self._room.leave()
            self._fd = -1

    def _add(self, start: int, stop: int) -> None:
        first = bisect_right(self._stops, start - 1)
        last = bisect_right(self._starts, stop)
        if first < last:
            start, stop = min(start, self._starts[first]), max(stop, self._stops[last - 1])
        self._starts[first:last], self._stops[first:last] = [start], [stop]


class Room:
    """How many bytes may be kept, of all files that share it together, in one file: a descriptor each would be too many."""

    def __init__(self) -> None:
        self._lock, self._left = threading.Lock(), -1
        self._fd, self._end, self._users = -1, 0, 0

    def take(self, nbytes: int) -> bool:
        """Take room for some bytes, if there is any; the free space is looked at once."""
        with self._lock:
            if self._left < 0:
                self._left = _free() // _SHARE
            fits = nbytes <= self._left
            self._left -= nbytes if fits else 0
            return fits

    def join(self, size: int) -> tuple[int, int]:
        """Return the descriptor, and where `size` bytes of the file are nobody else's; raises OSError.

        It has holes where nothing is put, so that places cost no space.
        """
        with self._lock:
            if self._fd < 0:
                self._fd = _temporary()
            base, self._end, self._users = self._end, self._end + size, self._users + 1
            return self._fd, base

    def leave(self) -> None:
        """Close the descriptor when the last of those who joined has left."""
        with self._lock:
            self._users -= 1
            if not self._users:
                os.close(self._fd)
                self._fd, self._end = -1, 0

    def refuse(self) -> None:
        """Give no room any more: the disk is full before it should be."""
        with self._lock:
            self._left = 0


class _Calls:
    """The calls that run, and what is kept for them."""

    def __init__(self) -> None:
        self.lock, self.running = threading.Lock(), list[frozenset[str]]()
        self.files: dict[Hashable, Kept] = {}
        self.room = Room()


_calls = _Calls()


@contextmanager
def read_twice(locations: Iterable[str]) -> Iterator[None]:
    """Keep what is fetched of some files as long as a call runs that reads them twice."""
    own = frozenset(locations)
    with _calls.lock:
        _calls.running.append(own)
    try:
        yield
    finally:
        with _calls.lock:
            _calls.running.remove(own)
            if not _calls.running:
                for one in _calls.files.values():
                    one.close()
                _calls.files, _calls.room = {}, Room()


def kept(location: str, state: Hashable, size: int) -> Kept | None:
    """Return what is kept of a file of `size` bytes in this state; None where no call reads it twice."""
    with _calls.lock:
        wanted = any(location in own for own in _calls.running)
        return _calls.files.setdefault(state, Kept(_calls.room, size)) if wanted else None


def _temporary() -> int:
    from tempfile import TemporaryFile  # importing it takes a tenth of the time of a small dump

    with TemporaryFile() as file:
        return os.dup(file.fileno())


def _free() -> int:
    from tempfile import gettempdir

    try:
        found = os.statvfs(gettempdir())
    except OSError:
        return 0
    return found.f_bavail * found.f_frsize
