"""Give a complete file the mode, owner and name of the file that it replaces, and make that durable."""

import errno
import os
import re
import stat
import time
from contextlib import suppress

_NO_SUCH_SYNC = (errno.EACCES, errno.EINVAL, errno.EBADF, errno.ENOTSUP, errno.EROFS)
"""Errors of a directory that cannot be synced: the file system cannot do it, or the user may not read the directory."""
_NO_GIVING = (errno.EPERM, errno.EACCES, errno.EINVAL)
"""Errors of a file that cannot be given away: the user may not, or the container does not know the owner."""
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EXDEV)


_TEMPORARY = re.compile(r"\.gradclip-[0-9a-f]{16}")
_ABANDONED = 24 * 3600
"""Seconds after which nobody writes to a temporary file any more."""


def temporary_name() -> str:
    """Return a new name for a file that is not complete."""
    return f".gradclip-{os.urandom(8).hex()}"


def remove_abandoned(folder: str) -> None:
    """Remove temporary files of this user in a folder that were not written to for a day: a run that was killed has left them."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if _TEMPORARY.fullmatch(entry.name):
                found = entry.stat(follow_symlinks=False)
                old = time.time() - found.st_mtime > _ABANDONED
                if old and stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid():
                    os.unlink(entry.path)


def take_over_mode(fd: int, path: str) -> None:
    """Give a file the mode and, if allowed, the owner and group of the file at `path`, which it replaces."""
    try:
        old = os.stat(path)
    except FileNotFoundError:
        os.fchmod(fd, 0o666 & ~_umask())
        return
    mode = stat.S_IMODE(old.st_mode)
    if not _is_given(fd, old.st_uid, old.st_gid):
        _is_given(fd, -1, old.st_gid)  # whoever had access through the group keeps it
        mode &= ~(stat.S_ISUID | stat.S_ISGID)  # another owner set them
    os.fchmod(fd, mode)


def _is_given(fd: int, owner: int, group: int) -> bool:
    """Set the owner and group of a file, -1 for unchanged; return whether that was allowed."""
    try:
        os.fchown(fd, owner, group)
    except OSError as error:
        if error.errno not in _NO_GIVING:
            raise
        return False
    return True


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def claim_name(temporary: str, path: str) -> None:
    """Rename a file to `path` unless that exists by now; raise OSError if it does."""
    try:
        os.link(temporary, path)
    except FileExistsError as error:
        raise OSError(error.errno, "exists; give --overwrite to replace it") from error
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        os.replace(temporary, path)


def sync_folder(folder: str) -> None:
    """Sync the new names in a directory to disk, if the file system can."""
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        if error.errno not in _NO_SUCH_SYNC:
            raise
