"""Write files completely or not at all."""

import os
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType

from gradclip_cli.errors import ClosedPipeError, OutputError, reason
from gradclip_cli.storage import streams
from gradclip_cli.storage.base import Upload
from gradclip_cli.storage.interrupts import cleanups, deferred
from gradclip_cli.storage.locations import check_output, is_remote, remote_store
from gradclip_cli.storage.replacing import claim_name, sync_folder, take_over_mode
from gradclip_cli.text import shortlist

_unfinished: set[str] = set()
_made: list[str] = []


def discard_unfinished() -> None:
    """Remove unfinished files and the directories made for them; safe to call from a signal handler."""
    for path in tuple(_unfinished):
        with suppress(OSError):
            os.unlink(path)
    for folder in reversed(_made):
        with suppress(OSError):
            os.rmdir(folder)


cleanups.append(discard_unfinished)


@dataclass
class Staged:
    """An output that is being written: to a temporary file beside its target, or to an unnamed one for a stream or an upload.

    The length of the temporary name does not depend on the target's, which may be the longest that is allowed.
    """

    target: str  # as the user gave it
    path: str  # the file that will be replaced, with links resolved
    temporary: str | None  # None for a stream or an upload
    fd: int
    upload: Upload | None = None


class Outputs:
    """Several outputs that replace their targets together, after all of them are complete.

    Where there is a `folder`, it is made, and so are folders in it; a target outside of it lies in one that exists.
    `files` and `nbytes` count those that are complete.
    """

    def __init__(self, overwrite: bool, folder: str | None = None) -> None:
        self._overwrite, self._folder = overwrite, folder
        self._staged: list[Staged] = []
        self._taken: set[str] = set()
        self._made: list[str] = []
        self._real_folders: dict[str, str] = {}
        self.files = self.nbytes = 0

    def __enter__(self) -> "Outputs":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for staged in self._staged:
            with suppress(OSError):
                _close(staged)
            _remove(staged)
            if staged.upload is not None:
                staged.upload.abort()
        for folder in reversed(self._made) if kind is not None else ():
            with suppress(OSError):
                os.rmdir(folder)
        _made[:] = [folder for folder in _made if folder not in self._made]

    def check(self, target: str) -> None:
        """Raise OutputError or UsageError if a target cannot be written; called before anything is read."""
        if streams.is_stream(target):
            streams.check_output(target)
            return
        if "\0" in target:
            raise OutputError("holds a NUL, which no path can; give another name", path=target)
        if is_remote(target):
            check_output(target, self._overwrite)
        else:
            self._check_local(target)

    def _check_local(self, target: str) -> None:
        path = self._real(target)
        if os.path.basename(target) == "" and not os.path.lexists(path):
            raise OutputError("is a directory that does not exist; make it, or give a file name", path=target)
        if os.path.basename(target) in ("", ".") or os.path.isdir(path):
            raise OutputError("is a directory; give a file name for the output", path=target)
        if os.path.lexists(path) and not self._overwrite:
            raise OutputError("exists; give --overwrite to replace it", path=target)
        for folder in self._folders(target) or [os.path.dirname(target)]:
            if os.path.lexists(folder) and not os.path.isdir(folder):
                raise OutputError("is not a directory", path=folder)
        outer = self._folder_of(target)
        there = os.path.dirname(path if outer is None else self._real_folder(outer))
        if not os.path.isdir(there):
            raise OutputError("its directory does not exist", path=outer or target)

    def _real(self, target: str) -> str:
        """Return the path that a target leads to; of a thousand in one folder, the links above them are followed once."""
        folder, name = os.path.split(target)
        if name in ("", os.curdir, os.pardir) or os.path.islink(target):
            return os.path.realpath(target)
        return os.path.join(self._real_folder(folder), name)

    def _real_folder(self, folder: str) -> str:
        if folder not in self._real_folders:
            self._real_folders[folder] = os.path.realpath(folder)
        return self._real_folders[folder]

    def stage(self, target: str) -> Staged:
        """Check a target and create its temporary file; raise OutputError if two targets are one file."""
        self.check(target)
        if (store := remote_store(target)) is not None:
            staged = _nameless(target, store.upload(target, self._overwrite))
        elif streams.is_stream(target):
            staged = _nameless(target)
        else:
            self._make_folders(target)
            staged = _beside(target, self._real(target))
        self._staged.append(staged)
        if staged.path in self._taken and not streams.is_stream(target):
            raise OutputError("leads to the same file as another output", path=target)
        self._taken.add(staged.path)
        return staged

    def _make_folders(self, target: str) -> None:
        """Create the output directory and all directories between it and the target that are missing.

        They are removed again if the outputs fail.
        """
        for folder in self._folders(target):
            if os.path.isdir(folder):
                continue
            try:
                os.mkdir(folder)
            except OSError as error:
                raise _failed(error, folder) from error
            self._made.append(folder)
            _made.append(folder)

    def _folders(self, target: str) -> list[str]:
        """Return the output directory and those between it and the target, from the outside in; none for a single output."""
        outer = self._folder_of(target)
        if outer is None:
            return []
        found, folder = list[str](), os.path.dirname(target)
        while folder.rstrip(os.sep) not in ("", outer.rstrip(os.sep)):
            found.append(folder)
            folder = os.path.dirname(folder)
        return [outer, *reversed(found)]

    def _folder_of(self, target: str) -> str | None:
        """Return the output directory if the target lies in it."""
        inside = self._folder is not None and target.startswith(os.path.join(self._folder, ""))
        return self._folder if inside else None

    def complete(self, staged: Staged) -> None:
        """Set the mode of a staged file and sync it to disk, or send it: only to give it its name is left to do."""
        try:
            nbytes = os.fstat(staged.fd).st_size
            self.files, self.nbytes = self.files + 1, self.nbytes + nbytes
            if staged.upload is not None:
                staged.upload.send(staged.fd, nbytes)
                _close(staged)
            elif staged.temporary is not None:
                take_over_mode(staged.fd, staged.path)
                os.fsync(staged.fd)
                _close(staged)
        except OSError as error:
            raise _failed(error, staged.target) from error

    def commit(self) -> None:
        """Write the streams, then rename every staged file to its target; signals wait until all are renamed."""
        finished: list[str] = []
        for staged in self._staged:
            if staged.temporary is None and staged.upload is None:
                self._put(staged, finished)
        with deferred():
            for staged in self._staged:
                if staged.target not in finished:
                    self._put(staged, finished)
            self._sync()

    def _sync(self) -> None:
        new = [staged.path for staged in self._staged if staged.temporary is not None]
        new += [os.path.realpath(folder) for folder in self._made]
        for folder in sorted({os.path.dirname(path) for path in new}):
            try:
                sync_folder(folder)
            except OSError as error:
                message = f"{reason(error)}; the outputs are in place, but may be lost if the system stops now"
                raise OutputError(message, path=folder) from error

    def _put(self, staged: Staged, finished: list[str]) -> None:
        try:
            if staged.upload is not None:
                staged.upload.commit()
            elif staged.temporary is None:
                streams.copy_to_stream(staged.fd, staged.path)
            elif self._overwrite:
                os.replace(staged.temporary, staged.path)
            else:
                claim_name(staged.temporary, staged.path)
        except (OSError, OutputError) as error:
            standard = staged.path == streams.STANDARD
            if standard and isinstance(error, BrokenPipeError):
                raise ClosedPipeError("is closed at its other end", path="standard output") from error
            several = f"; {len(finished)} of {len(self._staged)} outputs are in place" if self._staged[1:] else ""
            names = f": {shortlist(finished)}" if finished else ""
            path = "standard output" if standard else staged.target
            what = error.message if isinstance(error, OutputError) else reason(error)
            raise OutputError(f"{what}{several}{names}", path=path) from error
        finished.append(staged.target)


def _nameless(target: str, upload: Upload | None = None) -> Staged:
    """Create the unnamed temporary file for a stream or an upload."""
    try:
        return Staged(target, target, None, streams.temporary(), upload)
    except OSError as error:
        raise OutputError(reason(error) + streams.place(target), path=target) from error


def _beside(target: str, path: str) -> Staged:
    """Create the temporary file beside the path of a target; the name is random, readable by its owner only."""
    temporary = os.path.join(os.path.dirname(path), f".gradclip-{os.urandom(8).hex()}")
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    _unfinished.add(temporary)
    try:
        return Staged(target, path, temporary, os.open(temporary, flags, 0o600))
    except OSError as error:
        _unfinished.discard(temporary)
        raise _failed(error, target) from error


def _remove(staged: Staged) -> None:
    if staged.temporary is not None:
        for _ in range(2):  # twice: a passing error must not leave the file behind
            with suppress(OSError):
                os.unlink(staged.temporary)
                break
        _unfinished.discard(staged.temporary)


def _close(staged: Staged) -> None:
    if staged.fd >= 0:
        fd, staged.fd = staged.fd, -1
        os.close(fd)


def _failed(error: OSError, target: str) -> OutputError:
    return OutputError(reason(error), path=target)
