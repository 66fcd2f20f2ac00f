"""Fetch the heads of files: the first bytes, with what the store says of the file, in one request; some of them ahead."""

import threading
import time
from collections import deque
from collections.abc import Hashable, Sequence
from concurrent.futures import Future

from gradclip_cli.errors import InputError
from gradclip_cli.storage.remote.client import FAILURES, Answer, Meta, begin, client, wait
from gradclip_cli.storage.remote.failures import Failure, failure, told
from gradclip_cli.storage.remote.folders import Folders
from gradclip_cli.storage.remote.settings import account, current
from gradclip_cli.storage.remote.urls import BUCKETS, Url, parsed

HEAD = 256 << 10
"""Bytes of the first request: the headers of most dumps, with the size and the ETag, in one answer."""
_SMALL = 2 << 20
"""A file of so many bytes is fetched whole at once, where a listing has told its size."""
_FRESH = 10.0
"""Seconds for which a head may wait to be taken: the one who asked what a file is opens it next, after imports perhaps."""
_KEPT = 32
"""Heads that are kept for a moment, between the question what a file is and its opening: 8 MiB."""


class Heads:
    """The heads of the files that were asked about last, and of those that will be opened next."""

    def __init__(self, folders: Folders) -> None:
        self._folders, self._lock = folders, threading.Lock()
        self._of: dict[Hashable, tuple[float, Answer | None]] = {}
        self._expected: deque[str] = deque()
        self._flying: dict[Hashable, Future[Answer | None]] = {}

    def of(self, location: str) -> Answer | None:
        """Return the head of a file, and keep it for whoever opens the file; None if there is no such file."""
        heard, known = self._heard(location)
        with self._lock:
            self._of[_key(location)] = heard, known
            while len(self._of) > _KEPT:
                del self._of[next(iter(self._of))]
        return known

    def taken(self, location: str) -> Answer | None:
        """Return the head of a file that is opened; the next who opens it asks anew."""
        return self._heard(location)[1]

    def expect(self, locations: Sequence[str]) -> None:
        """Replace what is expected by files that will be opened next, in this order."""
        with self._lock:
            again = {_key(location) for location in locations}
            for key in self._flying.keys() - again:
                self._flying.pop(key).cancel()
            self._expected = deque(locations)
            self._begin()

    def forget(self) -> None:
        """Ask anew: something was written."""
        with self._lock:
            self._of.clear()

    def _begin(self) -> None:
        """Ask for the heads of those in front, as many as there are connections."""
        while self._expected and len(self._flying) < current().connections:
            location = self._expected.popleft()
            key = _key(location)
            heard, _ = self._of.get(key, (-_FRESH, None))
            if key not in self._flying and time.monotonic() - heard >= _FRESH:
                self._flying[key] = begin(lambda place=location: self._asked(place))  # type: ignore[misc]

    def _heard(self, location: str) -> tuple[float, Answer | None]:
        with self._lock:
            heard, known = self._of.pop(_key(location), (-_FRESH, None))
            ahead = self._flying.pop(_key(location), None)
            self._begin()
        if time.monotonic() - heard < _FRESH:
            return heard, known
        if ahead is not None:
            return time.monotonic(), ahead.result()
        return time.monotonic(), wait(lambda: self._asked(location))

    def _asked(self, location: str) -> Answer | None:
        """Ask for the head of a file; for all of one that is known to be small."""
        url = parsed(location)
        around = self._folders.known_around(url)
        known = around.files.get(url.key.rpartition("/")[2]) if around is not None else None
        return asked(url, location, max(known.size, 1) if known is not None and known.size <= _SMALL else HEAD)


def _key(location: str) -> Hashable:
    """Return what is equal for a file that is asked for in the same way: who may not see it hears of no file."""
    return account(parsed(location).root), location


def asked(url: Url, location: str, most: int) -> Answer | None:
    """Ask for the first bytes of a file; of an empty one there are none, which stores refuse to send."""
    if not url.key and url.scheme in (*BUCKETS, "hf"):
        return None
    try:
        answer = client(url).get(url.key, 0, most)
    except FAILURES as error:
        kind = failure(error)
        if kind is Failure.MISSING:
            return None
        if kind is not Failure.PAST_END:
            raise told(error, location) from error
        answer = Answer(_meta(url, location), [memoryview(b"")])
    if answer.nbytes != min(most, answer.meta.size):
        raise InputError(Failure.PAST_END.value, path=location)
    return answer


def _meta(url: Url, location: str) -> Meta:
    try:
        return client(url).head(url.key)
    except FAILURES as error:
        raise told(error, location) from error
