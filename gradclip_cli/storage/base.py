"""What a place that holds files can do: the protocols of stores, and of the files that are read from them or sent to them."""

from collections.abc import Hashable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from gradclip_cli.errors import InputError
from gradclip_cli.storage.fingerprint import Fingerprint

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class RandomAccess(Protocol):
    """What formats need of a file: bytes at positions, from any thread. As a context, it is closed at the end."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    @property
    def path(self) -> str:
        """The location as the user gave it, for messages."""

    @property
    def fd(self) -> int | None:
        """The descriptor of a local file, which a child process can read from; None for a remote one."""

    @property
    def size(self) -> int:
        """The size in bytes."""

    @property
    def fingerprint(self) -> Fingerprint:
        """The state of the file when it was opened."""

    def close(self) -> None:
        """Close the file; raise no error."""

    def complete(self) -> None:
        """Read a pipe to its end; before this, only its beginning can be read."""

    def expect(self, ranges: Sequence[tuple[int, int]], *, more: bool = False) -> None:
        """Say which ranges, by offset and size in bytes, are going to be read next, in this order: a hint, to fetch them early.

        It takes the place of what was expected, or with `more`, comes after it.
        """

    def read(self, offset: int, count: int) -> bytes:
        """Return `count` bytes at `offset`, or fewer where the file ends; both may be any number that a file claims."""

    def read_into(self, offset: int, out: "NDArray[np.uint8]") -> None:
        """Fill `out` with the bytes from `offset` on; raise InputError if the file ends early."""

    def copy_inside(self, offset: int, fd: int, to: int, count: int) -> int:
        """Copy bytes to a descriptor inside the system, as far as it can; return how many were copied."""

    def check_unchanged(self) -> None:
        """Raise InputError if the file was written to since it was opened."""


class Entry(Protocol):
    """What stands in a folder; `os.DirEntry` is one. Links are followed, and lead nowhere where they are neither."""

    @property
    def name(self) -> str:
        """The name in the folder, without a slash."""

    def is_dir(self) -> bool:
        """Whether it is a folder."""

    def is_file(self) -> bool:
        """Whether it is a file."""

    def is_symlink(self) -> bool:
        """Whether it is a link; nothing remote is one."""


class Store(Protocol):
    """What is asked about locations. What a remote store refuses to say (403, no answer) is an InputError with the location."""

    def exists(self, location: str) -> bool:
        """Whether there is a file, a folder or a dead link."""

    def is_folder(self, location: str) -> bool:
        """Whether it is a folder; in an object store a prefix of objects, with a slash at its end or without."""

    def is_file(self, location: str) -> bool:
        """Whether it is a file."""

    def entries(self, folder: str) -> Sequence[Entry]:
        """Return what stands in a folder, in any order. Raises OSError if there is no such folder."""

    def size(self, location: str) -> int:
        """Return the size of a file in bytes. Raises OSError if there is none."""

    def identity(self, location: str) -> Hashable:
        """Return what is equal for two locations of one file. Raises OSError if there is none."""


LEFT = "the store may have kept parts of the upload to {}; a lifecycle rule, or aborting the upload there, removes them"
"""What is said of uploads that could not be dropped: nobody sees their parts, which cost money."""


class Upload(Protocol):
    """An output on its way into a remote store; nobody sees it before `commit`. Errors are OutputErrors with the location."""

    def send(self, fd: int, nbytes: int) -> None:
        """Send the complete file behind a descriptor by positions: leave only the last request to `commit`."""

    def commit(self) -> None:
        """Make the whole file visible; refuse if it exists by now and may not be replaced."""

    def abort(self) -> bool:
        """Drop what was sent; return whether the store may have kept parts of it. Raises no error.

        It is called on every way out, also after `commit`, when it drops nothing.
        """


class RemoteStore(Store, Protocol):
    """A store of other machines. One serves all URLs of its schemes; connections are opened when they are first needed.

    What it has heard of a folder it may keep for a while, so that a question about each of a thousand files is one request.
    """

    def open(self, location: str) -> RandomAccess:
        """Open a file for reading by position. Raises InputError, from a FileNotFoundError where there is none."""

    def fingerprint(self, location: str, *, recent: bool = False) -> Fingerprint:
        """Return the state of a file now, or that of some seconds ago if it is known. Raises InputError if there is none."""

    def expect(self, locations: Sequence[str]) -> None:
        """Say which files are going to be opened next, in this order: a hint, to fetch their headers early."""

    def check_output(self, location: str) -> None:
        """Raise UsageError or OutputError if nothing can be written there: a read-only scheme, no such bucket; a folder is let pass."""

    def is_hidden(self, error: InputError) -> bool:
        """Whether an error of this store says no more than that the user may not see what is there: who may write need not."""

    def upload(self, location: str, overwrite: bool) -> Upload:
        """Begin an output; nothing need be asked of the network before `send`."""

    def forget(self) -> None:
        """Forget what was heard of files and folders, since another process has written some."""
