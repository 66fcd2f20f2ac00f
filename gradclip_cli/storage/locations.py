"""Ask what a location is: a path on this machine, or a URL in a remote store. This is the one place that knows which.

A location stays as the user typed it. What follows from its text alone is a function here; what only the store knows is
asked of that store: `LOCAL` asks the system, a remote one is loaded by the scheme of the URL.
"""

import os
import re
from collections.abc import Callable, Hashable, Iterable
from functools import cache
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote, urlsplit

from gradclip_cli.errors import UsageError

if TYPE_CHECKING:
    from gradclip_cli.storage.fingerprint import Fingerprint
    from gradclip_cli.storage.random_access import RandomAccess

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


class Entry(Protocol):
    """What stands in a folder; `os.DirEntry` is one. Links are followed, and lead nowhere where they are neither."""

    @property
    def name(self) -> str:
        """The name in the folder, without a slash."""

    def is_dir(self) -> bool:
        """Whether it is a folder."""

    def is_file(self) -> bool:
        """Whether it is a file."""

    def is_symlink(self) -> bool:
        """Whether it is a link; nothing remote is one."""


class Store(Protocol):
    """What is asked about locations. What a remote store refuses to say (403, no answer) is an InputError with the location."""

    def exists(self, location: str) -> bool:
        """Whether there is a file, a folder or a dead link."""

    def is_folder(self, location: str) -> bool:
        """Whether it is a folder; in an object store a prefix of objects, with a slash at its end or without."""

    def is_file(self, location: str) -> bool:
        """Whether it is a file."""

    def entries(self, folder: str) -> list[Entry]:
        """Return what stands in a folder, in any order. Raises OSError if there is no such folder."""

    def size(self, location: str) -> int:
        """Return the size of a file in bytes. Raises OSError if there is none."""

    def identity(self, location: str) -> Hashable:
        """Return what is equal for two locations of one file. Raises OSError if there is none."""


class Upload(Protocol):
    """An output on its way into a remote store; nobody sees it before `commit`. Errors are OutputErrors with the location."""

    def send(self, fd: int, nbytes: int) -> None:
        """Send the complete file behind a descriptor by positions: leave only the last request to `commit`."""

    def commit(self) -> None:
        """Make the whole file visible; refuse if it exists by now and may not be replaced."""

    def abort(self) -> None:
        """Drop what was sent; called on every way out, also after `commit`, when it does nothing. Raises no error."""


class RemoteStore(Store, Protocol):
    """A store of other machines. One serves all URLs of its schemes; connections are opened when they are first needed.

    What it has heard of a folder it may keep for a while, so that a question about each of a thousand files is one request.
    """

    def open(self, location: str) -> "RandomAccess":
        """Open a file for reading by position. Raises InputError if there is none, or it may not be read."""

    def fingerprint(self, location: str) -> "Fingerprint":
        """Return the state of a file now. Raises InputError if there is none."""

    def check_output(self, location: str) -> None:
        """Raise UsageError or OutputError if nothing can be written there: a read-only scheme, no such bucket, no key."""

    def upload(self, location: str, overwrite: bool) -> Upload:
        """Begin an output; nothing need be asked of the network before `send`."""


class _Local:
    """The files of this machine."""

    exists = staticmethod(os.path.lexists)
    is_folder = staticmethod(os.path.isdir)
    is_file = staticmethod(os.path.isfile)
    size = staticmethod(os.path.getsize)

    def entries(self, folder: str) -> list[Entry]:
        """Return what stands in a folder."""
        with os.scandir(folder) as found:
            return list(found)

    def identity(self, location: str) -> Hashable:
        """Return the device and the inode number."""
        found = os.stat(location)
        return found.st_dev, found.st_ino


LOCAL: Store = _Local()


def _objects(scheme: str) -> RemoteStore:
    raise UsageError(f"{scheme}:// needs obstore; pip install 'gradclip-cli[remote]'")


_LOADERS: dict[str, Callable[[str], RemoteStore]] = dict.fromkeys(("s3", "gs", "az", "https", "http", "hf"), _objects)


@cache
def _loaded(scheme: str) -> RemoteStore:
    """Return the store of a scheme; raise UsageError if there is none."""
    if scheme not in _LOADERS:
        known = ", ".join(f"{name}://" for name in _LOADERS)
        what = f"{scheme}:// is not supported; give a path, or one of {known}"
        raise UsageError(f"{what}; a file of that name is ./{scheme}:/")
    return _LOADERS[scheme](scheme)


def remote_store(location: str) -> RemoteStore | None:
    """Return the store of a URL; None for a path. Raise UsageError for a scheme that is not known, or needs an extra."""
    scheme = _scheme(location)
    return _loaded(scheme) if scheme else None


def is_remote(location: str) -> bool:
    """Whether a location is a URL, of any scheme; nothing is loaded.

    >>> is_remote("s3://b/run/step_1.npz"), is_remote("run/step_1.npz"), is_remote("./s3://b")
    (True, False, False)
    """
    return bool(_scheme(location))


def _scheme(location: str) -> str:
    found = _URL.match(location) if "://" in location else None
    return found[1].lower() if found else ""
