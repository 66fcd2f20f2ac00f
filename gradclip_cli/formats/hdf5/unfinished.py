"""Tell a file that a writer has open from one that a writer which was killed has left marked."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import suppress

from gradclip_cli.formats.hdf5 import user_block
from gradclip_cli.storage.base import RandomAccess
from gradclip_cli.storage.streams import STANDARD

_VERSION, _MARKS = 8, 11  # where they are in the superblock
_FIRST_MARKED = 3
_WRITING, _SWMR = 1, 4
_CLEAR = "clear the mark by h5clear -s FILE"


def reason(file: RandomAccess) -> str | None:
    """Say why a file that HDF5 does not open may be unfinished, and what to do; None if nothing says that it is.

    Only files in the format of HDF5 1.10 and later are marked. A writer of any file may hold a lock, but one of SWMR holds none.
    """
    marked = bool(_marks(file) & (_WRITING | _SWMR))
    if file.path == STANDARD:  # a copy, of which nobody knows the writer
        return f"is marked as open for writing, or its writer was killed; close it, or {_CLEAR}" if marked else None
    if writer := _writer(file, marked):
        either = f", or end that and {_CLEAR}" if marked else ""
        return f"is still open for writing in {writer}; wait until it is closed there{either}"
    if not marked:
        return None
    what = "is marked as open for writing, but no process here has it open: its writer was killed"
    return f"{what}; {_CLEAR}, unless a writer on another machine is alive, and see if it is complete"


def _writer(file: RandomAccess, marked: bool) -> str | None:
    """Name the process that has a file open for writing; look through all of them only for a marked file."""
    if file.fd is None:  # nobody writes to what is remote: it is put there when it is complete
        return None
    pid = next(_writers(file.fd), None) if marked else None
    if pid is not None:
        return f"process {pid}"
    return "another process" if _locked(file.fd) else None


def _marks(file: RandomAccess) -> int:
    """Return the bits by which a writer marks the file as open."""
    start = user_block(file)
    head = file.read(start, _MARKS + 1) if start is not None else b""
    return head[_MARKS] if len(head) > _MARKS and head[_VERSION] >= _FIRST_MARKED else 0


def _locked(fd: int) -> bool:
    """Return whether another process holds the lock of a writer."""
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # not all file systems have locks
        return False
    fcntl.flock(fd, fcntl.LOCK_UN)
    return False


def _writers(fd: int) -> Iterator[int]:
    """Yield the processes that have a file open for writing, as far as Linux tells this user."""
    own = os.fstat(fd)
    for pid in filter(str.isdigit, _names("/proc")):
        for name in _names(f"/proc/{pid}/fd"):
            with suppress(OSError, ValueError, IndexError):  # it has ended, or closed the file
                found = os.stat(f"/proc/{pid}/fd/{name}")
                if (found.st_dev, found.st_ino) == (own.st_dev, own.st_ino) and _writes(pid, name):
                    yield int(pid)


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _writes(pid: str, name: str) -> bool:
    with open(f"/proc/{pid}/fdinfo/{name}", encoding="ascii") as info:
        flags = [line.split()[1] for line in info if line.startswith("flags:")]
    return int(flags[0], 8) & os.O_ACCMODE != os.O_RDONLY
