"""How a complete file takes its place: with the mode and the owner of its forerunner, by its name, for good."""

import errno
import os
import stat

_NO_SUCH_SYNC = (errno.EACCES, errno.EINVAL, errno.EBADF, errno.ENOTSUP, errno.EROFS)
"""What file systems say that cannot bring a directory to the disk, and users who may not read it."""
_NO_GIVING = (errno.EPERM, errno.EACCES, errno.EINVAL)
"""What is said to users who may not give a file away, and of owners that a container has no number for."""
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EXDEV)


def take_over_mode(fd: int, path: str) -> None:
    """Give a file the mode and, where that is allowed, the owner of the one that it replaces."""
    try:
        old = os.stat(path)
    except FileNotFoundError:
        os.fchmod(fd, 0o666 & ~_umask())
        return
    mode = stat.S_IMODE(old.st_mode)
    if not _is_given(fd, old.st_uid, old.st_gid):
        _is_given(fd, -1, old.st_gid)  # those who share the old one by its group go on sharing it
        mode &= ~(stat.S_ISUID | stat.S_ISGID)  # of another owner than the one who set them
    os.fchmod(fd, mode)


def _is_given(fd: int, owner: int, group: int) -> bool:
    """Give a file to an owner and a group, where that is allowed; -1 leaves it as it is."""
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
    """Give a file its name unless another has come by that name meanwhile."""
    try:
        os.link(temporary, path)
    except FileExistsError as error:
        raise OSError(error.errno, "exists; give --overwrite to replace it") from error
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        os.replace(temporary, path)


def sync_folder(folder: str) -> None:
    """Bring the new names in a directory to the disk, where that can be done."""
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        if error.errno not in _NO_SUCH_SYNC:
            raise
