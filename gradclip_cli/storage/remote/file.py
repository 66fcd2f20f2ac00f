"""A remote file that is open for reading by position."""

import threading
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from gradclip_cli.errors import InputError
from gradclip_cli.storage.fingerprint import Fingerprint
from gradclip_cli.storage.remote.blocks import Blocks
from gradclip_cli.storage.remote.client import Answer, Client, Meta
from gradclip_cli.storage.remote.failures import Failure
from gradclip_cli.storage.remote.kept import Kept, Room, kept
from gradclip_cli.storage.remote.ranges import Ranges
from gradclip_cli.storage.remote.urls import Url, canonical
from gradclip_cli.storage.remote.window import Window, copied

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WHOLE = 16 << 20
"""A file of so many bytes is fetched whole when more than its head is looked at."""
_LARGE = 256 << 10
"""Reads of so many bytes are of elements, which nobody reads again."""


def fingerprint_by(location: str, url: Url, meta: Meta) -> Fingerprint:
    """Return the state of a file by what a store says of it."""
    return Fingerprint(url.root if url.bucket else url.scheme, canonical(location), meta.size, meta.state)


class RemoteFile:
    """The object that a URL names, in the state in which it was when it was opened: anything else is an error.

    What is read comes from its head, from what is kept of the first reading of two, from what was expected and fetched ahead, or
    from the blocks that were read last.
    """

    fd: int | None = None

    def __init__(self, location: str, url: Url, client: Client, head: Answer) -> None:
        self.path, (self._head,), self.size = location, head.parts, head.meta.size
        self.fingerprint = fingerprint_by(location, url, head.meta)
        self._ranges = Ranges(location, client, url.key, head.meta)
        self._blocks, self._window = Blocks(self._ranges), Window(self._ranges)
        self._whole: memoryview | None = None
        self._kept = kept(location, self.fingerprint, self.size)
        self._own: Kept | None = None  # of a file that is not read twice, but in parts again and again
        self._read_at = set[int]()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Drop what was fetched, and what is still to come."""
        self._window.clear()
        self._blocks.clear()
        self._whole = None
        if self._own is not None:
            self._own.close()

    def complete(self) -> None:
        """Do nothing: an object is whole by nature."""

    def expect(self, ranges: Sequence[tuple[int, int]], *, more: bool = False) -> None:
        """Begin to fetch what will be read next, but for what is here."""
        if self._whole is None:
            here = len(self._head)
            wanted = [
                (at, nbytes)
                for at, nbytes in ranges
                if min(at + nbytes, self.size) > here and not self._keeps(at, nbytes)
            ]
            if more:
                new = [(at, nbytes) for at, nbytes in wanted if not self._window.holds(at, at + nbytes)]
                self._window.expect_also(new, self.size)
            else:
                self._window.expect(wanted, self.size)

    def read(self, offset: int, count: int) -> bytes:
        """Return `count` bytes at `offset`, or fewer where the file ends; both may be any number that a file claims."""
        stop = min(offset + count, self.size)
        if offset >= stop:
            return b""
        if self._kept is not None and (same := self._kept.read(offset, stop)) is not None:
            return same
        here = self._here(offset, stop)
        if here is not None:
            return bytes(here)
        if stop - offset < _LARGE and not self._window.holds(offset, stop):
            return self._blocks.read(offset, stop)
        out = bytearray(stop - offset)
        self._fetch(offset, stop, memoryview(out))
        return bytes(out)

    def read_into(self, offset: int, out: "NDArray[np.uint8]") -> None:
        """Fill `out` with the bytes from `offset` on; raise InputError if the file ends early."""
        view, stop = memoryview(out.data).cast("B"), offset + out.size
        if stop > self.size:
            raise InputError(Failure.PAST_END.value, path=self.path)
        if not out.size:
            return
        if self._kept is not None and self._kept.read_into(offset, view):
            return
        here = self._here(offset, stop)
        if here is not None:
            view[:] = here
        elif out.size < _LARGE and not self._window.holds(offset, stop):
            view[:] = self._blocks.read(offset, stop)
        else:
            self._fetch(offset, stop, view)

    def copy_inside(self, offset: int, fd: int, to: int, count: int) -> int:
        """Return 0: nothing can be copied inside the system."""
        return 0

    def check_unchanged(self) -> None:
        """Do nothing: every answer was of the state that the first one had."""

    def _keeps(self, offset: int, nbytes: int) -> bool:
        return self._kept is not None and self._kept.holds(offset, min(offset + nbytes, self.size))

    def _fetch(self, start: int, stop: int, out: memoryview) -> None:
        """Fill `out` with a range that is fetched ahead, and keep it if it is read again."""
        copied(self._window.parts(start, stop), start, out)
        if len(out) < _LARGE and self._kept is None:
            self._note(start)
        if self._kept is not None and (self._own is None or len(out) < _LARGE):
            self._kept.put(start, out)

    def _note(self, start: int) -> None:
        """Keep small ranges from now on, once one is read again: whoever goes back and forth would fetch the file many times."""
        with self._lock:
            if start in self._read_at and self._kept is None:
                self._kept = self._own = Kept(Room(), self.size)
            self._read_at.add(start)

    def _here(self, start: int, stop: int) -> memoryview | None:
        """Return bytes that need no request; a small file is fetched whole once something behind its head is wanted."""
        if stop <= len(self._head):
            return self._head[start:stop]
        if self.size > WHOLE or self._window.holds(start, stop):
            return None
        with self._lock:
            if self._whole is None:
                whole = memoryview(bytearray(self.size))
                whole[: len(self._head)] = self._head
                self._ranges.fetch_into(len(self._head), whole[len(self._head) :])
                self._whole = whole
                if self._kept is not None:
                    self._kept.put(0, whole)
            return self._whole[start:stop]
