"""Files that are written whole or not at all."""

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType

from gradclip_cli import streams
from gradclip_cli.errors import OutputError
from gradclip_cli.signals import before_the_end

_unfinished: set[str] = set()


def discard_unfinished() -> None:
    """Remove the temporary files of this process; safe to call from a signal handler."""
    for path in tuple(_unfinished):
        with suppress(OSError):
            os.unlink(path)


before_the_end.append(discard_unfinished)


@dataclass
class Staged:
    """An output being written beside its target, under a name that does not grow with the target's; a stream's has no name."""

    target: str  # as the user gave it
    path: str  # the file that will be replaced: links are followed
    temporary: str | None
    fd: int


class Outputs:
    """Several outputs that replace their targets together, once all of them are complete."""

    def __init__(self, overwrite: bool, folder: str | None = None) -> None:
        self._overwrite, self._folder = overwrite, folder
        self._staged: list[Staged] = []
        self._made: list[str] = []

    def __enter__(self) -> "Outputs":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for staged in self._staged:
            _close(staged)
            _remove(staged)
        for folder in reversed(self._made) if kind is not None else ():
            with suppress(OSError):
                os.rmdir(folder)

    def check(self, target: str) -> None:
        """Raise where a target cannot be written: before anything is read."""
        if streams.is_stream(target):
            streams.check_output(target)
            return
        path = os.path.realpath(target)
        if not target or os.path.isdir(path):
            raise OutputError("is a directory; give a file name for the output", path=target)
        if os.path.lexists(path) and not self._overwrite:
            raise OutputError("exists; give --overwrite to replace it", path=target)
        folder = os.path.dirname(target) if self._folder is None else self._folder
        if os.path.lexists(folder) and not os.path.isdir(folder):
            raise OutputError("is not a directory", path=folder)
        there = os.path.dirname(path) if self._folder is None else os.path.dirname(os.path.realpath(self._folder))
        if not os.path.isdir(there):
            raise OutputError("its directory does not exist", path=target if self._folder is None else folder)

    def stage(self, target: str) -> Staged:
        """Create the temporary file for a target."""
        self.check(target)
        self._make_folders(target)
        self._staged.append(_nameless(target) if streams.is_stream(target) else _beside(target))
        return self._staged[-1]

    def _make_folders(self, target: str) -> None:
        """Make the directory for several outputs, and that of a target in it, where they are missing.

        They go again if nothing comes of the outputs.
        """
        for folder in (self._folder, os.path.dirname(target)) if self._folder is not None else ():
            if folder is None or os.path.isdir(folder):
                continue
            try:
                os.mkdir(folder)
            except OSError as error:
                raise _failed(error, folder) from error
            self._made.append(folder)

    def complete(self, staged: Staged) -> None:
        """Bring a staged file to the disk; it only has to be renamed then."""
        try:
            if staged.temporary is not None:
                _take_over_mode(staged)
                os.fsync(staged.fd)
                _close(staged)
        except OSError as error:
            raise _failed(error, staged.target) from error

    def commit(self) -> None:
        """Put every staged file in the place of its target."""
        for done, staged in enumerate(self._staged):
            try:
                if staged.temporary is None:
                    streams.pour(staged.fd, staged.path)
                else:
                    os.replace(staged.temporary, staged.path)
            except OSError as error:
                standard = staged.path == streams.STANDARD
                if standard and isinstance(error, BrokenPipeError):
                    raise  # who reads standard output may leave, as `head` does
                finished = f"; {done} of {len(self._staged)} outputs are in place" if len(self._staged) > 1 else ""
                path = "standard output" if standard else staged.target
                raise OutputError(f"{_reason(error)}{finished}", path=path) from error
        for folder in sorted({os.path.dirname(staged.path) for staged in self._staged if staged.temporary}):
            _sync_folder(folder)


def _nameless(target: str) -> Staged:
    """Create the temporary file for a stream."""
    try:
        return Staged(target, target, None, streams.temporary())
    except OSError as error:
        raise OutputError(_reason(error) + streams.place(target), path=target) from error


def _beside(target: str) -> Staged:
    """Create the temporary file for a file."""
    path = os.path.realpath(target)
    temporary = os.path.join(os.path.dirname(path), f".gradclip-{os.urandom(8).hex()}")
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    _unfinished.add(temporary)
    try:
        return Staged(target, path, temporary, os.open(temporary, flags, 0o600))
    except OSError as error:
        _unfinished.discard(temporary)
        raise _failed(error, target) from error


def _take_over_mode(staged: Staged) -> None:
    """Give a file the mode and, where that is allowed, the owner of the one that it replaces."""
    try:
        old = os.stat(staged.path)
    except FileNotFoundError:
        os.fchmod(staged.fd, 0o666 & ~_umask())
        return
    with suppress(PermissionError):
        os.fchown(staged.fd, old.st_uid, old.st_gid)
    os.fchmod(staged.fd, stat.S_IMODE(old.st_mode))


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _sync_folder(folder: str) -> None:
    with suppress(OSError):
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def _remove(staged: Staged) -> None:
    if staged.temporary is not None:
        with suppress(OSError):
            os.unlink(staged.temporary)
        _unfinished.discard(staged.temporary)


def _close(staged: Staged) -> None:
    if staged.fd >= 0:
        fd, staged.fd = staged.fd, -1
        os.close(fd)


def _failed(error: OSError, target: str) -> OutputError:
    return OutputError(_reason(error), path=target)


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
