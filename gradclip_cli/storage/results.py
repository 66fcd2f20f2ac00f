"""Keep results by the place that they are about and the state that it was in, until the process ends."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Key(NamedTuple):
    """A place, and the state that it is in."""

    place: bytes
    state: bytes


class Result(NamedTuple):
    """What was found at a place while it was in a state; many results share a header. All are bytes."""

    place: bytes
    state: bytes
    header: bytes
    body: bytes


def digest_of(*parts: bytes) -> bytes:
    """Return a hash of parts that cannot run into each other."""
    found = hashlib.blake2b(digest_size=16)
    for part in parts:
        found.update(len(part).to_bytes(8, "little") + part)
    return found.digest()


class ResultsOfProcess:
    """Results that end with the process, which is what a file of them does, too."""

    lasts, trouble, remedy, path = False, "", "", ""

    def __init__(self) -> None:
        self._results: dict[bytes, Result] = {}
        self._headers: dict[bytes, bytes] = {}

    def close(self) -> None:
        """Keep them."""

    def sizes(self, keys: Sequence[Key]) -> dict[Key, int]:
        """Return the bytes of each of some results that are there."""
        return {key: len(one.body) for key in keys if (one := self._results.get(key.place)) and one.state == key.state}

    def get(self, keys: Sequence[Key]) -> dict[Key, Result]:
        """Return those of some results that are there."""
        return {key: self._results[key.place] for key in self.sizes(keys)}

    def header(self, name: bytes) -> bytes | None:
        """Return the header of this name."""
        return self._headers.get(name)

    def put(self, results: Iterable[Result], headers: Iterable[bytes]) -> None:
        """Put results, with the headers that they name by `digest_of`."""
        self._results.update({one.place: one for one in results})
        self._headers.update({digest_of(body): body for body in headers})
