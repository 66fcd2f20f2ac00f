"""Detect files that change between two readings, by a fingerprint that is compared each time a file is opened again."""

import os

from gradclip_cli.errors import InputError, reason
from gradclip_cli.storage.seen_from import place_of

Fingerprint = tuple[int, int, int, int]
"""The state of a file: device, inode, size in bytes, and time of the last change in ns."""


def fingerprint_of(file: str | int) -> Fingerprint:
    """Return the fingerprint of the file at a path, without opening it, or behind a descriptor. Raises OSError."""
    return fingerprint_in(os.stat(place_of(file) if isinstance(file, str) else file))


def fingerprint_in(found: os.stat_result) -> Fingerprint:
    """Return the fingerprint of a file by what the system says of it."""
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def is_same(one: Fingerprint, other: Fingerprint) -> bool:
    """Whether two fingerprints, perhaps taken by two machines, are of one state: each numbers devices in its own way."""
    return one[1:] == other[1:]


def check_same(path: str, fingerprint: Fingerprint) -> None:
    """Raise InputError if the file at `path` no longer has this fingerprint."""
    try:
        found = fingerprint_of(path)
    except OSError as error:
        raise InputError(reason(error), path=path) from error
    if not is_same(found, fingerprint):
        raise changed(path)


def changed(path: str) -> InputError:
    """Return the error for a dump that changed while it was read: the data may be a mixture of old and new."""
    return InputError("changed while it was read; wait until it is complete and run again", path=path)
