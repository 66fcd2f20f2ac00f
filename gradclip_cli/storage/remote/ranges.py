"""Fetch ranges of one object: all of the state that was first seen, and as long as they were asked for."""

from collections.abc import Iterator
from concurrent.futures import Future

from gradclip_cli.errors import InputError
from gradclip_cli.storage.fingerprint import changed
from gradclip_cli.storage.remote import client as clients
from gradclip_cli.storage.remote.client import FAILURES, Answer, Client, Meta
from gradclip_cli.storage.remote.failures import Failure, failure, told

PART = 2 << 20
"""Bytes of a request for elements: with 16 of them under way, 1 GB takes 2.4 s at 30 ms a request, in 32 MiB of memory."""


class Ranges:
    """The ranges of an object; its ETag is asked for with each, and compared with that of each answer, since not all servers look."""

    def __init__(self, location: str, client: Client, key: str, meta: Meta) -> None:
        self.location, self._client, self._key, self.meta = location, client, key, meta

    def begin(self, start: int, stop: int) -> "Future[memoryview]":
        """Begin a request for bytes `start` to `stop`."""
        return clients.begin(lambda: self._fetched(start, stop))

    def fetch(self, start: int, stop: int) -> memoryview:
        """Return bytes `start` to `stop`, asked for in parts side by side if they are many."""
        parts = list(cut(start, stop, 2 * PART))
        if len(parts) == 1:
            return taken(self.begin(start, stop))
        flying = [self.begin(*part) for part in parts]
        whole = bytearray(stop - start)
        try:
            for (begin, end), future in zip(parts, flying, strict=True):
                whole[begin - start : end - start] = taken(future)
        finally:
            for future in flying:
                future.cancel()
        return memoryview(whole)

    def _fetched(self, start: int, stop: int) -> memoryview:
        answer = self._asked(start, stop)
        if answer.meta.state != self.meta.state or answer.meta.size != self.meta.size:
            raise changed(self.location)
        if len(answer.data) != stop - start:
            raise InputError(Failure.PAST_END.value, path=self.location)
        return answer.data

    def _asked(self, start: int, stop: int) -> Answer:
        """Make a request, and once more if the server says that there is no such range.

        A store that got a whole body, and lost the connection then, asks for the empty rest of it, which servers refuse.
        """
        for again in (True, False):
            try:
                return self._client.get(self._key, start, stop, self.meta.pin)
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


def taken(future: "Future[memoryview]") -> memoryview:
    """Wait for a range; whoever is interrupted meanwhile wants it no longer."""
    try:
        return future.result()
    finally:
        future.cancel()
