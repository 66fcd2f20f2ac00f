"""Change what a captured file says of its stage, once its gradients are clipped."""

import os

from gradclip_cli.errors import OutputError, reason
from gradclip_cli.storage.random_access import write_at

_BEFORE, _AFTER = b'"stage":"before-clip"', b'"stage":"after-clip"'


def mark_clipped(fd: int, path: str) -> None:
    """Say in the header of an output that it was clipped; the header keeps its length, since blanks may end it.

    A quote inside a name has a backslash before it, so that these bytes are found as a key with its value only. Raises
    OutputError if the output cannot be read or written.
    """
    try:
        header = os.pread(fd, int.from_bytes(os.pread(fd, 8, 0), "little"), 8)
    except OSError as error:
        raise OutputError(reason(error), path=path) from error
    if header.count(_BEFORE) == 1:
        write_at(fd, 8, header.replace(_BEFORE, _AFTER) + b" " * (len(_BEFORE) - len(_AFTER)), path)
