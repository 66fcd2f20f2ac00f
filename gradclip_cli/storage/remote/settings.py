"""How remote files are asked for: what the command line or a program says, for as long as its call runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

CONNECTIONS = 16
"""Requests at once: at 30 ms a request and 90 MB/s a connection, 1 GB takes 2.4 s with 16, and 17.6 s with 2."""
TIMEOUT = 30.0
TRIES = 4
"""Tries after the first, each a little later than the one before, all within twice the timeout."""


class Settings(NamedTuple):
    """`connections` requests at once; `anonymous` ones are not signed; `timeout` is in seconds without any byte.

    `pause` seconds, each time twice as many, pass before a request is tried again. `lean` is whether the process is ours, so
    that the way in which it takes memory may be changed.
    """

    connections: int = CONNECTIONS
    anonymous: bool = False
    timeout: float = TIMEOUT
    pause: float = 0.1
    lean: bool = False


_given: list[Settings] = []


def current() -> Settings:
    """Return the settings of the call that runs, the innermost if it runs in another."""
    return _given[-1] if _given else Settings()


@contextmanager
def using(settings: Settings) -> Iterator[None]:
    """Ask for remote files in this way for a while; all threads of the process do."""
    _given.append(settings)
    try:
        yield
    finally:
        _given.remove(settings)
