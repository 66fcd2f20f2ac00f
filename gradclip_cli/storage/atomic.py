"""Write files completely or not at all."""

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

from gradclip_cli.errors import ClosedPipeError, GradclipError, OutputError, reason
from gradclip_cli.storage import streams
from gradclip_cli.storage.base import LEFT
from gradclip_cli.storage.interrupts import deferred
from gradclip_cli.storage.locations import check_output, check_output_folder, is_remote, remote_store
from gradclip_cli.storage.replacing import claim_name, remove_abandoned, sync_folder, take_over_mode
from gradclip_cli.storage.staged import Staged, beside, failed, made_folders, make_folder, nameless, placed, placing
from gradclip_cli.text import shortlist

_SENDING = "interrupted while outputs are put in place in the store; wait for that, or interrupt once more to leave it half done"


class Outputs:
    """Several outputs that replace their targets together, after all of them are complete.

    Where there is a `folder`, it is made, and so are folders in it; a target outside of it lies in one that exists.
    `files` and `nbytes` count those that are complete. With `tidy`, what a killed run has left beside them is removed first.
    """

    def __init__(self, overwrite: bool, folder: str | None = None, *, tidy: bool = False) -> None:
        self._overwrite, self._folder, self._tidy = overwrite, folder, tidy
        self._tidied: set[str] = set()
        self._staged: list[Staged] = []
        self._taken: set[str] = set()
        self._made: list[str] = []
        self._real_folders: dict[str, str] = {}
        self.files = self.nbytes = 0
        self._lock = threading.Lock()  # several may be written at once

    def __enter__(self) -> "Outputs":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for staged in self._staged:
            with suppress(OSError):
                staged.close()
            staged.remove()
        left = [staged.target for staged in self._staged if staged.upload is not None and staged.upload.abort()]
        if isinstance(error, GradclipError) and left:
            error.message += f"; {LEFT.format(shortlist(left))}"
        for folder in reversed(self._made) if kind is not None else ():
            with suppress(OSError):
                os.rmdir(folder)
        made_folders[:] = [folder for folder in made_folders if folder not in self._made]

    def check(self, target: str) -> None:
        """Raise OutputError or UsageError if a target cannot be written; called before anything is read."""
        if streams.is_stream(target):
            streams.check_output(target)
            return
        if "\0" in target:
            raise OutputError("holds a NUL, which no path can; give another name", path=target)
        if is_remote(target):
            check_output(target, self._overwrite)
            folder = self._folder_of(target)
            if folder is not None and folder not in self._real_folders:
                check_output_folder(folder)
                self._real_folders[folder] = folder
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
        with self._lock:
            self.check(target)
            if (store := remote_store(target)) is not None:
                staged = nameless(target, store.upload(target, self._overwrite))
            elif streams.is_stream(target):
                staged = nameless(target)
            else:
                staged = self._stage_beside(target)
            self._add(staged)
            return staged

    def take(self, target: str, nbytes: int, show: Callable[[], None]) -> None:
        """Take an output of so many bytes that another machine has sent to a store: `show` makes it visible, before others.

        It was checked, and whoever has had it sent drops it. Raises OutputError as `stage` does.
        """
        with self._lock:
            self._add(Staged(target, target, None, -1, show=show))
            self.files, self.nbytes = self.files + 1, self.nbytes + nbytes

    def _add(self, staged: Staged) -> None:
        self._staged.append(staged)
        if staged.path in self._taken and not streams.is_stream(staged.target):
            raise OutputError("leads to the same file as another output", path=staged.target)
        self._taken.add(staged.path)

    def _stage_beside(self, target: str) -> Staged:
        """Create the temporary file of a local target, and the directories around it."""
        self._make_folders(target)
        path = self._real(target)
        if self._tidy and (there := os.path.dirname(path)) not in self._tidied:
            self._tidied.add(there)
            remove_abandoned(there)
        return beside(target, path)

    def _make_folders(self, target: str) -> None:
        """Create the output directory and all directories between it and the target that are missing.

        They are removed again if the outputs fail.
        """
        for folder in self._folders(target):
            if os.path.isdir(folder):
                continue
            try:
                make_folder(folder)
            except OSError as error:
                raise failed(error, folder) from error
            self._made.append(folder)

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
            with self._lock:
                self.files, self.nbytes = self.files + 1, self.nbytes + nbytes
                if staged.temporary is not None:
                    take_over_mode(staged.fd, staged.path)
            if staged.upload is not None:
                staged.upload.send(staged.fd, nbytes)
                staged.close()
            elif staged.temporary is not None:
                os.fsync(staged.fd)
                staged.close()
        except OSError as error:
            raise failed(error, staged.target) from error

    def commit(self) -> None:
        """Write the streams, then rename every staged file to its target; signals wait until all are renamed.

        What other machines have sent comes first: what is left here is small, such as an index of what they sent.
        """
        finished: list[str] = []
        placing[:], placed[:] = [staged.target for staged in self._staged if not staged.is_stream], []
        for staged in self._staged:
            if staged.is_stream:
                self._put(staged, finished)
        in_a_store = any(is_remote(staged.target) for staged in self._staged)
        with deferred(_SENDING if in_a_store else ""):
            for staged in sorted(self._staged, key=lambda one: one.show is None):
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
            if staged.show is not None:
                staged.show()
            elif staged.upload is not None:
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
        if not staged.is_stream:
            placed.append(staged.target)
