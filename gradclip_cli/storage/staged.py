"""Hold outputs that are not complete: in temporary files, which go when the program ends."""

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from gradclip_cli.errors import OutputError, reason
from gradclip_cli.storage import streams
from gradclip_cli.storage.base import Upload
from gradclip_cli.storage.interrupts import cleanups
from gradclip_cli.storage.replacing import temporary_name
from gradclip_cli.text import shortlist

_unfinished: set[str] = set()
_creating = threading.RLock()
"""Held while a temporary file or a directory is created and noted: a signal finds both or neither."""
_PATIENCE = 1.0
made_folders: list[str] = []
"""Directories that were made for outputs, from the outside in; they go with them."""
placed: list[str] = []
"""The files of the last commit that are in place, and stay whatever comes."""
placing: list[str] = []
"""All files of the last commit."""


def discard_unfinished() -> None:
    """Remove unfinished files and the directories made for them; what a second signal interrupts can begin again."""
    for path in tuple(_unfinished):
        with suppress(OSError):
            os.unlink(path)
    for folder in made_folders[::-1]:
        with suppress(OSError):
            os.rmdir(folder)


def tell_placed() -> str | None:
    """Say which outputs stay when a signal ends the program: once the first has its name, none is taken back."""
    if not placed:
        return None
    if len(placing) == 1:
        return f"interrupted, but the output is in place: {placed[0]}"
    many = f"all {len(placed):,}" if len(placed) == len(placing) else f"{len(placed):,} of {len(placing):,}"
    return f"interrupted, but {many} outputs are in place: {shortlist(placed)}"


def _end() -> None:
    """Discard what is unfinished before a signal ends the program; other threads create nothing any more."""
    _creating.acquire(timeout=_PATIENCE)  # and never let go of: a thread that waits would create its file after this
    discard_unfinished()


cleanups += [tell_placed, _end]


def make_folder(folder: str) -> None:
    """Make a directory for outputs, which goes with them; raises OSError."""
    with _creating:
        made_folders.append(folder)
        try:
            os.mkdir(folder)
        except OSError:
            made_folders.remove(folder)
            raise


@dataclass
class Staged:
    """An output that is being written: to a temporary file beside its target, or to an unnamed one for a stream or an upload.

    What another machine has written and sent has no file here: `show` is then the function that makes it visible.
    The length of the temporary name does not depend on the target's, which may be the longest that is allowed.
    """

    target: str  # as the user gave it
    path: str  # the file that will be replaced, with links resolved
    temporary: str | None  # None for a stream or an upload
    fd: int
    upload: Upload | None = None
    show: Callable[[], None] | None = None

    @property
    def is_stream(self) -> bool:
        """Whether it is poured into what is there, as into a pipe."""
        return self.temporary is None and self.upload is None and self.show is None

    def close(self) -> None:
        """Close the temporary file; raises OSError."""
        if self.fd >= 0:
            fd, self.fd = self.fd, -1
            os.close(fd)

    def remove(self) -> None:
        """Remove the temporary file, unless it has its name."""
        if self.temporary is not None:
            for _ in range(2):  # twice: a passing error must not leave the file behind
                with suppress(OSError):
                    os.unlink(self.temporary)
                    break
            _unfinished.discard(self.temporary)


def nameless(target: str, upload: Upload | None = None) -> Staged:
    """Create the unnamed temporary file for a stream or an upload."""
    try:
        return Staged(target, target, None, streams.temporary(), upload)
    except OSError as error:
        raise OutputError(reason(error) + streams.place(target), path=target) from error


def beside(target: str, path: str) -> Staged:
    """Create the temporary file beside the path of a target; the name is random, readable by its owner only."""
    temporary = os.path.join(os.path.dirname(path), temporary_name())
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with _creating:
        _unfinished.add(temporary)
        try:
            return Staged(target, path, temporary, os.open(temporary, flags, 0o600))
        except OSError as error:
            _unfinished.discard(temporary)
            raise failed(error, target) from error


def failed(error: OSError, target: str) -> OutputError:
    """Return the error of an output that the system refused."""
    return OutputError(reason(error), path=target)
