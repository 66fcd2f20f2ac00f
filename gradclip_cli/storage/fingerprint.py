"""Detect files that change between two readings, by a fingerprint that is compared each time a file is opened again."""

import os
from typing import NamedTuple

from gradclip_cli.errors import InputError
from gradclip_cli.storage.seen_from import place_of


class Fingerprint(NamedTuple):
    """The state of a file: it is another file, or was written to, where a field differs.

    `device` and `file` are numbers of the system, or the store and the URL; `version` is the time of the last change in ns,
    or the ETag; `size` is in bytes.
    """

    device: int | str
    file: int | str
    size: int
    version: int | str

    @property
    def anywhere(self) -> tuple[int | str, int, int | str]:
        """What is the same on all machines that see the file: each gives a shared file system another device."""
        return self.file, self.size, self.version


def fingerprint_of(file: str | int) -> Fingerprint:
    """Return the fingerprint of the file at a path, without opening it, or behind a descriptor. Raises OSError."""
    return fingerprint_in(os.stat(place_of(file) if isinstance(file, str) else file))


def fingerprint_in(found: os.stat_result) -> Fingerprint:
    """Return the fingerprint of a file by what the system says of it."""
    return Fingerprint(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def changed(path: str) -> InputError:
    """Return the error for a dump that changed while it was read: the data may be a mixture of old and new."""
    return InputError("changed while it was read; wait until it is complete and run again", path=path)
