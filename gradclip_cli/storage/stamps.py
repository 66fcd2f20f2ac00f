"""Tell the state of a file without opening it, in a way that still holds in another process and on another day."""

import os
import stat
import time
from typing import NamedTuple

from gradclip_cli.errors import InputError, UsageError
from gradclip_cli.storage.fingerprint import Fingerprint, fingerprint_in
from gradclip_cli.storage.locations import remote_store
from gradclip_cli.storage.streams import is_of_this_process

OLD_NS = 2_000_000_000
"""The age of a file whose next change gets another time on every file system: the coarsest counts in steps of 2 s."""


class Stamp(NamedTuple):
    """The fingerprint of a file, when it was last changed in any way (ns; 0 for remote files), and its age then in ns.

    The time of the last change of its data can be set back by hand, as `rsync -t` does, but `changed` cannot.
    """

    fingerprint: Fingerprint
    changed: int
    age: int

    @property
    def state(self) -> tuple[int | str, ...]:
        """What is the same as long as the file is, on all machines that see it."""
        return *self.fingerprint.anywhere, self.changed

    @property
    def is_old(self) -> bool:
        """Whether any change from now on shows in the state."""
        return self.age >= OLD_NS


def stamp_of(location: str) -> Stamp | None:
    """Return the stamp of a file; None if it is no regular file, cannot be looked at, or has no state that can be relied on."""
    if is_of_this_process(location):
        return None
    try:
        store = remote_store(location)
        return _local(location) if store is None else _remote(store.fingerprint(location, recent=True))
    except (OSError, ValueError, InputError, UsageError):
        return None


def _local(path: str) -> Stamp | None:
    found = os.stat(path)
    if not stat.S_ISREG(found.st_mode):
        return None
    latest = max(found.st_mtime_ns, found.st_ctime_ns)
    return Stamp(fingerprint_in(found), found.st_ctime_ns, time.time_ns() - latest)


def _remote(found: Fingerprint) -> Stamp | None:
    """Return the stamp of an object by its ETag, a text in quotes; a weak one, or a date, may stay when bytes change."""
    return Stamp(found, 0, OLD_NS) if str(found.version).startswith('"') else None
