"""Whether a file is still what it was: its state as a value, which is compared each time when the file is opened again."""

import os

from gradclip_cli.errors import InputError, reason

Fingerprint = tuple[int, int, int, int]
"""What tells one state of a file from another: device, inode, size in bytes, and time of the last change in ns."""


def fingerprint_of(file: str | int) -> Fingerprint:
    """Return the state of the file that has a name now, without opening it, or of the one behind a descriptor.

    Raises OSError.
    """
    found = os.stat(file)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def check_same(path: str, fingerprint: Fingerprint) -> None:
    """Raise InputError where the file that has this name now is in another state."""
    try:
        found = fingerprint_of(path)
    except OSError as error:
        raise InputError(reason(error), path=path) from error
    if found != fingerprint:
        raise changed(path)


def changed(path: str) -> InputError:
    """Say that a dump is not what it was when it was first looked at: what was read of it may be a mixture."""
    return InputError("changed while it was read; wait until it is complete and run again", path=path)
