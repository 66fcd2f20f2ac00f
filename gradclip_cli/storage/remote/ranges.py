"""Fetch ranges of one object: all of the state that was first seen, and as long as they were asked for."""

from collections.abc import Iterator
from concurrent.futures import Future

from gradclip_cli.errors import InputError
from gradclip_cli.storage.fingerprint import changed
from gradclip_cli.storage.remote import client as clients
from gradclip_cli.storage.remote.client import FAILURES, Answer, Client, Meta
from gradclip_cli.storage.remote.failures import Failure, failure, told

Parts = list[memoryview]
"""Bytes in parts that follow each other."""

PART = 4 << 20
"""Bytes of a request for elements: 16 of them under way take 64 MiB of memory, and a tenth less time than 16 of 3 MiB at 30 ms."""


class Ranges:
    """The ranges of an object; its ETag is asked for with each, and compared with that of each answer, since not all servers look."""

    def __init__(self, location: str, client: Client, key: str, meta: Meta) -> None:
        self.location, self._client, self._key, self.meta = location, client, key, meta

    def begin(self, start: int, stop: int, *, whole: bool = False) -> "Future[Parts]":
        """Begin a request for bytes `start` to `stop`; they are one part if they are wanted as a `whole`."""
        return clients.begin(lambda: self._fetched(start, stop, whole))

    def fetch_into(self, start: int, out: memoryview) -> None:
        """Fill `out` with the bytes from `start` on, asked for side by side if they are many."""
        ranges = list(cut(start, start + len(out)))
        flying = [self.begin(*one) for one in ranges]
        try:
            for (begin, end), future in zip(ranges, flying, strict=True):
                copy(taken(future), 0, out[begin - start : end - start])
        finally:
            for future in flying:
                future.cancel()

    def _fetched(self, start: int, stop: int, whole: bool) -> Parts:
        answer = self._asked(start, stop, whole)
        if answer.meta.state != self.meta.state or answer.meta.size != self.meta.size:
            raise changed(self.location)
        if answer.nbytes != stop - start:
            raise InputError(Failure.PAST_END.value, path=self.location)
        return answer.parts

    def _asked(self, start: int, stop: int, whole: bool) -> Answer:
        """Make a request, and once more if the server says that there is no such range.

        A store that got a whole body, and lost the connection then, asks for the empty rest of it, which servers refuse.
        """
        for again in (True, False):
            try:
                return self._client.get(self._key, start, stop, self.meta.pin, whole=whole)
            except FAILURES as error:
                kind = failure(error)
                if kind is Failure.MISSING:
                    raise changed(self.location) from error
                if not again or kind not in (Failure.PAST_END, Failure.REFUSED):
                    raise told(error, self.location) from error
        raise AssertionError("a request ends in an answer or an error")


def cut(start: int, stop: int, most: int = PART) -> Iterator[tuple[int, int]]:
    """Cut a range into parts of at most so many bytes.

    >>> list(cut(0, 5, 2))
    [(0, 2), (2, 4), (4, 5)]
    """
    for begin in range(start, stop, most):
        yield begin, min(begin + most, stop)


def copy(parts: Parts, first: int, out: memoryview) -> None:
    """Fill `out` with the bytes from `first` on of those in parts.

    >>> out = bytearray(4)
    >>> copy([memoryview(b"gra"), memoryview(b"dc"), memoryview(b"lip")], 2, memoryview(out))
    >>> bytes(out)
    b'adcl'
    """
    done = 0
    for part in parts:
        piece = part[first : first + len(out) - done] if first < len(part) else part[:0]
        out[done : done + len(piece)] = piece
        first, done = max(0, first - len(part)), done + len(piece)


def taken(future: "Future[Parts]") -> Parts:
    """Wait for a range; whoever is interrupted meanwhile wants it no longer."""
    try:
        return future.result()
    finally:
        future.cancel()
