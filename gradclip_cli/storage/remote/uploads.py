"""Upload finished files: their parts first, and the request that makes them visible last."""

import os
import threading
from collections.abc import Callable, Iterator

from gradclip_cli.errors import OutputError, reason
from gradclip_cli.storage.base import LEFT
from gradclip_cli.storage.interrupts import cleanups
from gradclip_cli.storage.remote.client import FAILURES, Client, wait
from gradclip_cli.storage.remote.failures import Failure, failure, told
from gradclip_cli.storage.remote.kept import Room
from gradclip_cli.storage.remote.urls import Url
from gradclip_cli.text import shortlist

PART = 6 << 20
"""Bytes of a part or more, of which six are under way; S3 takes no smaller ones than 5 MiB."""
MOST_PARTS = 9_000
"""S3 takes 10,000."""
_KEPT = 32 << 20
"""Bytes of small outputs that wait in memory to be put in place together; what is more waits on the disk.

In the store each would cost two more requests, and a thread.
"""
_POLL, _SELDOM = 0.2, 30.0
_PATIENCE = 3.0
"""Seconds for the uploads to be dropped when a signal ends the program: parts that are left behind cost money."""
_DROPPING = "performing DELETE"
"""What obstore says when dropping the parts has failed; it forgets then why they were dropped."""

_under_way: set["_Parts"] = set()


class _Small:
    """The bytes of a small output that waits: in memory, as long as there is room, or in one unnamed file for all."""

    _room, _lock, _held = Room(), threading.Lock(), 0

    def __init__(self, fd: int, nbytes: int) -> None:
        data = os.pread(fd, nbytes, 0)
        with _Small._lock:
            fits = _Small._held + nbytes <= _KEPT
            _Small._held += nbytes if fits else 0
        self._data, self._nbytes, self._fd, self._at = data if fits else b"", nbytes, -1, 0
        if not fits:
            self._write(data)

    def _write(self, data: bytes) -> None:
        """Write the bytes to the file; raises OSError."""
        self._fd, self._at = self._room.join(len(data))
        view, at = memoryview(data), self._at
        try:
            while view:
                done = os.pwrite(self._fd, view, at)
                view, at = view[done:], at + done
        except OSError:
            self.drop()
            raise

    def read(self) -> bytes:
        """Return the bytes; raises OSError."""
        return os.pread(self._fd, self._nbytes, self._at) if self._fd >= 0 else self._data

    def drop(self) -> None:
        """Give back what it takes."""
        if self._fd >= 0:
            self._fd = -1
            self._room.leave()
        else:
            with _Small._lock:
                _Small._held -= len(self._data)
            self._data = b""


def drop_all() -> str | None:
    """Drop the uploads that are under way before a signal ends the program, as far as the stores answer soon; say what is left."""
    uploads = tuple(_under_way)
    for upload in uploads:
        upload.decide(go=False)
    for upload in uploads:
        upload.wait(_PATIENCE / len(uploads))
    left = [upload.location for upload in uploads if upload.is_left]
    return LEFT.format(shortlist(left)) if left else None


cleanups.append(drop_all)


class _Dropped(Exception):  # noqa: N818 (no error: the upload is not wanted any more)
    """Ends an upload: obstore then drops the parts that were sent."""


class _Parts:
    """An upload in parts, in a thread of its own, which sends all of them and then waits to be told whether they shall count."""

    def __init__(self, location: str, client: Client, key: str, fd: int, nbytes: int) -> None:
        self.location, self._client, self._key, self._fd, self._nbytes = location, client, key, fd, nbytes
        parts = min(max(nbytes // PART, 1), MOST_PARTS)
        self._size = nbytes // parts  # the rest, fewer bytes than there are parts, waits in memory for the end
        self._sent, self._decided, self._go = threading.Event(), threading.Event(), False
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="upload", daemon=True)

    def start(self) -> None:
        """Send all parts; raise what obstore raises."""
        _under_way.add(self)
        self._thread.start()
        self._sent.wait()
        self._raise()

    @property
    def is_left(self) -> bool:
        """Whether the store may hold parts of it: it has not answered, or has refused to drop them."""
        if self._thread.is_alive():
            return True
        error = self._error
        return error is not None and _DROPPING in str(error) and failure(error) is not Failure.MISSING

    def decide(self, *, go: bool) -> None:
        """Say whether the parts shall become the object."""
        self._go = go
        self._decided.set()

    def wait(self, seconds: float | None = None) -> None:
        """Wait until the store has answered."""
        self._thread.join(seconds)

    def drop(self) -> None:
        """Drop the parts, unless they have become the object; wait until the store has done so."""
        self.decide(go=False)
        self.wait()

    def finish(self) -> None:
        """Make the object visible; raise what obstore raises."""
        self.decide(go=True)
        self.wait()
        self._raise()

    def _run(self) -> None:
        try:
            self._client.put_parts(self._key, self._read(), self._size)
        except _Dropped:
            pass
        except (*FAILURES, OSError) as error:
            self._error = error
        finally:
            self._sent.set()
            _under_way.discard(self)

    def _read(self) -> Iterator[bytes]:
        """Yield the parts; then nothing, again and again, so that the failure of a part is heard of, until it is decided."""
        for start in range(0, self._nbytes, self._size):
            if self._decided.is_set():
                break
            yield os.pread(self._fd, self._size, start)
        self._sent.set()
        pause = _POLL
        while not self._decided.wait(pause):
            pause = min(2 * pause, _SELDOM)
            yield b""
        if not self._go:
            raise _Dropped

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error


class ObjectUpload:
    """An output on its way to an object store; nobody sees it before `commit`."""

    def __init__(self, location: str, url: Url, client: Client, overwrite: bool, written: Callable[[], None]) -> None:
        self._location, self._key, self._client = location, url.key, client
        self._overwrite, self._written = overwrite, written
        self._small: _Small | None = None
        self._parts: _Parts | None = None
        self._is_left = False

    def send(self, fd: int, nbytes: int) -> None:
        """Send all parts of the file behind a descriptor; a small file is kept for a single request."""
        if nbytes <= PART:
            try:
                self._small = _Small(fd, nbytes)
            except OSError as error:
                message = f"{reason(error)} in the directory for temporary files; name a roomier one in TMPDIR"
                raise OutputError(message, path=self._location) from error
            return
        self._parts = _Parts(self._location, self._client, self._key, fd, nbytes)
        self._asked(self._parts.start)

    def commit(self) -> None:
        """Make the file visible; refuse if there is one by now and it may not be replaced."""
        small, parts, self._small, self._parts = self._small, self._parts, None, None
        if small is not None:
            try:
                self._asked(lambda: wait(lambda: self._put(small.read())))
            finally:
                small.drop()
        elif parts is not None:
            try:
                self._refuse_existing()
                self._asked(parts.finish)
            finally:
                self._drop(parts)
        self._written()

    def abort(self) -> bool:
        """Drop what was sent; return whether the store may have kept parts of it."""
        small, parts, self._small, self._parts = self._small, self._parts, None, None
        if small is not None:
            small.drop()
        if parts is not None:
            self._drop(parts)
        return self._is_left

    def _drop(self, parts: _Parts) -> None:
        parts.drop()
        self._is_left = parts.is_left

    def _put(self, data: bytes) -> None:
        """Write a small file; where the store cannot refuse to replace one, look first."""
        try:
            self._client.put(self._key, data, only_new=not self._overwrite)
        except FAILURES as error:
            if self._overwrite or failure(error) is not Failure.UNSUPPORTED:
                raise
            self._check_new()
            self._client.put(self._key, data, only_new=False)

    def _refuse_existing(self) -> None:
        """Look once more: a store completes an upload in parts over whatever is there."""
        if not self._overwrite:
            self._asked(lambda: wait(self._check_new))

    def _check_new(self) -> None:
        try:
            self._client.head(self._key)
        except FAILURES as error:
            if failure(error) is not Failure.MISSING:
                raise
            return
        raise OutputError(Failure.EXISTS.value, path=self._location)

    def _asked(self, task: Callable[[], None]) -> None:
        try:
            task()
        except FAILURES as error:
            raise told(error, self._location, writing=True) from error
