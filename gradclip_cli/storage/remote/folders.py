"""List the folders of object stores: keys up to the next slash. What was heard is kept for a moment."""

import threading
import time
from collections.abc import Hashable
from typing import NamedTuple

from gradclip_cli.storage.remote.client import FAILURES, Listed, client, wait
from gradclip_cli.storage.remote.failures import told
from gradclip_cli.storage.remote.settings import account
from gradclip_cli.storage.remote.urls import Url

FRESH = 2.0
"""Seconds for which an answer is taken for the present state, so that a question about each of a thousand files is one request."""
RECENT = 10.0
"""Seconds for which it tells the state of a file to those who look again when they read it."""


class RemoteEntry(NamedTuple):
    """What stands in a folder; it has the methods of `os.DirEntry`."""

    name: str
    folder: bool

    def is_dir(self) -> bool:
        """Whether it is a folder."""
        return self.folder

    def is_file(self) -> bool:
        """Whether it is a file."""
        return not self.folder

    def is_symlink(self) -> bool:
        """Return False: there are no links."""
        return False


class Folders:
    """What stands in the folders that were asked for last."""

    def __init__(self) -> None:
        self._of: dict[Hashable, tuple[float, Listed]] = {}
        self._lock = threading.Lock()

    def listing(self, url: Url, location: str) -> Listed:
        """Return what stands in a folder; nothing for a prefix of no key. Raises InputError if the store does not say."""
        known = self.known(url.root, url.key)
        if known is not None:
            return known
        try:
            found = wait(lambda: _listing(url))
        except FAILURES as error:
            raise told(error, location) from error
        for name in found.files.keys() & set(found.folders):
            if found.files[name].size == 0:  # how some tools mark a folder, and Azure with a hierarchy all of them
                del found.files[name]
        with self._lock:
            now = time.monotonic()
            self._of = {place: kept for place, kept in self._of.items() if now - kept[0] < RECENT}
            self._of[account(url.root), url.root, url.key] = now, found
        return found

    def known(self, root: str, key: str, age: float = FRESH) -> Listed | None:
        """Return what was heard of a folder a moment ago, or within some seconds."""
        with self._lock:
            heard, found = self._of.get((account(root), root, key), (-age, None))
            return found if time.monotonic() - heard < age else None

    def known_around(self, url: Url, age: float = FRESH) -> Listed | None:
        """Return what was heard of the folder that a file is in; nothing is in a folder that the one above it lacks."""
        folder, below = url.key.rpartition("/")[0], ""
        found = self.known(url.root, folder, age) if url.key else None
        while found is None and folder:
            folder, _, below = folder.rpartition("/")
            above = self.known(url.root, folder, age)
            if above is not None:
                return None if below in above.folders else Listed({}, [])
        return found

    def forget(self) -> None:
        """Ask anew: something was written."""
        with self._lock:
            self._of.clear()


def _listing(url: Url) -> Listed:
    if url.scheme != "hf":
        return client(url).listing(url.key)
    # Late, since Python's own client of web servers takes as long to import as a round trip.
    from gradclip_cli.storage.remote import hub

    return hub.listing(url)
