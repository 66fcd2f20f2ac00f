"""Ask what a location is: a path on this machine, or a URL in a remote store. This is the one place that knows which.

A location stays as the user typed it. What the store knows is asked of that store: `LOCAL` asks the system, a remote one is
loaded by the scheme of the URL. What follows from the text alone is in `location_names`.
"""

import os
import re
from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

from gradclip_cli.errors import InputError, OutputError, UsageError, reason
from gradclip_cli.storage.fingerprint import Fingerprint, changed, fingerprint_of

if TYPE_CHECKING:
    from gradclip_cli.storage.base import Entry, RemoteStore, Store

_URL = r"([A-Za-z][A-Za-z0-9+.-]*)://"


class _Local:
    """The files of this machine."""

    exists = staticmethod(os.path.lexists)
    is_folder = staticmethod(os.path.isdir)
    is_file = staticmethod(os.path.isfile)
    size = staticmethod(os.path.getsize)

    def entries(self, folder: str) -> "Sequence[Entry]":
        """Return what stands in a folder."""
        with os.scandir(folder) as found:
            return list(found)

    def identity(self, location: str) -> Hashable:
        """Return the device and the inode number."""
        found = os.stat(location)
        return found.st_dev, found.st_ino


LOCAL: "Store" = _Local()


def _objects(scheme: str) -> "RemoteStore":
    if find_spec("obstore") is None:
        raise UsageError(f"{scheme}:// needs obstore; pip install 'gradclip-cli[remote]'")
    from gradclip_cli.storage.remote.objects import objects

    return objects()


LOADERS: dict[str, Callable[[str], "RemoteStore"]] = dict.fromkeys(("s3", "gs", "az", "https", "http", "hf"), _objects)
"""The function that loads the store of a scheme."""


@cache
def loaded(scheme: str) -> "RemoteStore":
    """Return the store of a scheme; raise UsageError if there is none."""
    if scheme not in LOADERS:
        known = ", ".join(f"{name}://" for name in LOADERS)
        raise UsageError(f"{scheme}:// is not supported, but {known} are; a path of that name is ./{scheme}:/")
    return LOADERS[scheme](scheme)


def _scheme(location: str) -> str:
    found = re.match(_URL, location) if "://" in location else None
    return found[1].lower() if found else ""


def is_remote(location: str) -> bool:
    """Whether a location is a URL, of any scheme; nothing is loaded.

    >>> is_remote("s3://b/run/step_1.npz"), is_remote("run/step_1.npz"), is_remote("./s3://b")
    (True, False, False)
    """
    return bool(_scheme(location))


def remote_store(location: str) -> "RemoteStore | None":
    """Return the store of a URL; None for a path. Raise UsageError for a scheme that is not known, or needs an extra."""
    scheme = _scheme(location)
    return loaded(scheme) if scheme else None


def store_of(location: str) -> "Store":
    """Return the store that a location is in; raise UsageError as `remote_store` does."""
    return remote_store(location) or LOCAL


def exists(location: str) -> bool:
    """Whether there is a file, a folder or a dead link."""
    return store_of(location).exists(location)


def is_folder(location: str) -> bool:
    """Whether a location is a folder."""
    return store_of(location).is_folder(location)


def takes_outputs(location: str) -> bool:
    """Whether an output goes into it: a folder, or a URL that ends in a slash, since a folder in a store need not be made.

    Raises OutputError if the store does not say; where it hides what there is, it is taken for the name of a file.
    """
    store = remote_store(location)
    if store is None:
        return LOCAL.is_folder(location)
    try:
        return location.endswith("/") or store.is_folder(location)
    except InputError as error:
        if store.is_hidden(error):
            return False
        raise OutputError(error.message, path=error.path) from error


def is_file(location: str) -> bool:
    """Whether a location is a file."""
    return store_of(location).is_file(location)


def entries(folder: str) -> "Sequence[Entry]":
    """Return what stands in a folder, in any order. Raises OSError."""
    return store_of(folder).entries(folder)


def names(folder: str) -> list[str]:
    """Return the names in a folder, in any order. Raises OSError."""
    return [entry.name for entry in entries(folder)]


def size(location: str) -> int:
    """Return the size of a file in bytes. Raises OSError."""
    return store_of(location).size(location)


def identity(location: str) -> Hashable:
    """Return what is equal for two locations of one file. Raises OSError."""
    return store_of(location).identity(location)


def expect(files: Sequence[str]) -> None:
    """Say which files are going to be opened next, in this order; if they are remote, their headers are fetched early."""
    store = remote_store(files[0]) if files else None
    if store is not None:
        store.expect([one for one in files if remote_store(one) is store])


def check_writable(location: str) -> None:
    """Raise UsageError or OutputError if a URL is in no place that can be written to; a path is looked at when it is staged."""
    store = remote_store(location)
    if store is not None:
        store.check_output(location)


def blocks(location: str, nbytes: int) -> Iterator[bytes]:
    """Yield a file in blocks of `nbytes` bytes, the last of them shorter. Raises OSError or InputError."""
    store, at = remote_store(location), 0
    if store is None:
        with open(location, "rb") as local:
            while block := local.read(nbytes):
                yield block
        return
    with store.open(location) as file:
        while block := file.read(at, min(nbytes, file.size - at)):
            yield block
            at += len(block)


def check_same(location: str, fingerprint: Fingerprint) -> None:
    """Raise InputError if the file at a location no longer has this fingerprint."""
    store = remote_store(location)
    try:
        found = fingerprint_of(location) if store is None else store.fingerprint(location)
    except OSError as error:
        raise InputError(reason(error), path=location) from error
    if found.anywhere != fingerprint.anywhere:
        raise changed(location)


def check_output_folder(url: str) -> None:
    """Raise OutputError if a URL that outputs shall go below is that of a file; a folder need not be there."""
    store = remote_store(url)
    try:
        is_taken = store is not None and store.is_file(url.rstrip("/"))
    except InputError as error:
        if store is None or not store.is_hidden(error):
            raise OutputError(error.message, path=error.path) from error
        return
    if is_taken:
        raise OutputError("is a file; give a directory for the outputs", path=url)


def check_output(url: str, overwrite: bool) -> None:
    """Raise an error if nothing can be written to a URL; no directory must be there first."""
    if (store := remote_store(url)) is None:
        raise ValueError(f"{url} is no URL")
    store.check_output(url)
    if url.endswith("/"):
        raise OutputError("ends in a slash, as folders do; give a file name for the output", path=url)
    if takes_outputs(url):
        raise OutputError("is a directory; give a file name for the output", path=url)
    try:
        there = not overwrite and store.exists(url)
    except InputError as error:
        raise OutputError(error.message, path=error.path) from error
    if there:
        raise OutputError("exists; give --overwrite to replace it", path=url)
