"""How remote files are asked for: what the command line or a program says, for as long as its call runs."""

import threading
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

from gradclip_cli.errors import UsageError

CONNECTIONS = 16
"""Requests at once: at 30 ms a request and 90 MB/s a connection, 1 GB takes 1.4 s with 16, and some 9 s with 2."""
TIMEOUT, LONGEST = 30.0, 1_000_000
TRIES = 4
"""Tries after the first, each a little later than the one before, all within twice the timeout."""


class OwnStore:
    """A store of obstore for all files under `root`, which the caller has made with credentials of its own."""

    def __init__(self, root: str, store: object) -> None:
        self.root, self.store = root, store


class Settings(NamedTuple):
    """`connections` requests at once; `anonymous` ones are not signed; `timeout` is in seconds without any byte.

    `pause` seconds, each time twice as many, pass before a request is tried again. `place` is who asks, if that is a worker of a
    cluster. A `store` is for the files that it holds; it never leaves this process, since it holds secrets. `lean` is whether
    the process is ours, so that the way in which it takes memory may be changed.
    """

    connections: int = CONNECTIONS
    anonymous: bool = False
    timeout: float = TIMEOUT
    pause: float = 0.1
    place: str = ""
    store: OwnStore | None = None
    lean: bool = False

    @property
    def public(self) -> "Settings":
        """What other machines may be told."""
        return self._replace(store=None, lean=False)


_given: list[Settings] = []
_lock = threading.Lock()
_of_call: ContextVar[Settings | None] = ContextVar("settings", default=None)
"""What the call is told that a thread works for: calls in several threads at a time may be told different things."""


def current() -> Settings:
    """Return the settings of the call that runs, the innermost if it runs in another; of any that runs, in a thread of none."""
    return _of_call.get() or (_given[-1] if _given else Settings())


def own_store(root: str) -> OwnStore | None:
    """Return the store that a call which runs has for the files under `root`."""
    return next((one.store for one in tuple(_given) if one.store is not None and one.store.root == root), None)


def account(root: str) -> Hashable:
    """Return what is equal for calls that are told the same of the files under `root`."""
    return current().anonymous, own_store(root)


@contextmanager
def using(settings: Settings) -> Iterator[None]:
    """Ask for remote files in this way for a while; so do the threads that work for this one.

    A store of the caller's own is for all threads of the process.
    Raises UsageError for a number that is not above 0, and for a second store for the same files.
    """
    if settings.connections < 1:
        raise UsageError(f"--connections must be at least 1, not {settings.connections}")
    if not 0 < settings.timeout < LONGEST:
        raise UsageError(f"--timeout must be above 0 and below {LONGEST:,} seconds, not {settings.timeout:g}")
    with _lock:
        known = own_store(settings.store.root) if settings.store is not None else None
        if known is not None and settings.store is not None and known.store is not settings.store.store:
            raise UsageError(f"another call uses another store for {known.root}; wait until it is over")
        _given.append(settings)
    before = _of_call.set(settings)
    try:
        yield
    finally:
        _of_call.reset(before)
        _given.remove(settings)
