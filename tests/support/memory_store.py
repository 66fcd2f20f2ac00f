"""A store of files that are bytes in this process: what a remote store must answer, without any network."""

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Self
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.errors import InputError, OutputError
from gradclip_cli.storage import locations
from gradclip_cli.storage.base import Entry, RandomAccess, RemoteStore, Upload
from gradclip_cli.storage.fingerprint import Fingerprint, changed

SCHEME = "memory"


@dataclass
class Listed:
    """A name in a folder."""

    name: str
    folder: bool

    def is_dir(self) -> bool:
        return self.folder

    def is_file(self) -> bool:
        return not self.folder

    def is_symlink(self) -> bool:
        return False


@dataclass
class MemoryStore:
    """The files by URL; `pending` are outputs that are sent and not visible yet."""

    files: dict[str, bytes] = field(default_factory=dict)
    pending: dict[str, bytes] = field(default_factory=dict)

    def exists(self, location: str) -> bool:
        return self.is_file(location) or self.is_folder(location)

    def is_folder(self, location: str) -> bool:
        return any(url.startswith(f"{location.rstrip('/')}/") for url in self.files)

    def is_file(self, location: str) -> bool:
        return location in self.files

    def entries(self, folder: str) -> Sequence[Entry]:
        start = f"{folder.rstrip('/')}/"
        below = [url.removeprefix(start).partition("/") for url in self.files if url.startswith(start)]
        if not below:
            raise FileNotFoundError(folder)
        return [Listed(name, is_folder) for name, is_folder in {name: bool(slash) for name, slash, _ in below}.items()]

    def size(self, location: str) -> int:
        return self._known(location).size

    def identity(self, location: str) -> Hashable:
        return self._known(location).file

    def open(self, location: str) -> RandomAccess:
        return MemoryFile(location, self)

    def fingerprint(self, location: str, *, recent: bool = False) -> Fingerprint:
        try:
            return self._known(location)
        except FileNotFoundError as error:
            raise InputError("does not exist; check its name", path=location) from error

    def expect(self, locations: Sequence[str]) -> None:
        """Fetch nothing: it is all here."""

    def check_output(self, location: str) -> None:
        if location.startswith(f"{SCHEME}://read-only"):
            raise OutputError("may not be written", path=location)

    def is_hidden(self, error: InputError) -> bool:
        return False

    def upload(self, location: str, overwrite: bool) -> Upload:
        return MemoryUpload(location, overwrite, self)

    def forget(self) -> None:
        """Forget nothing: it keeps the files themselves."""

    def _known(self, location: str) -> Fingerprint:
        if location not in self.files:
            raise FileNotFoundError(location)
        data = self.files[location]
        return Fingerprint(SCHEME, location, len(data), f'"{sha256(data).hexdigest()}"')


class MemoryFile:
    """A file that is open for reading."""

    fd = None

    def __init__(self, path: str, store: MemoryStore) -> None:
        self.path, self._store = path, store
        self.fingerprint = store.fingerprint(path)
        self.size = self.fingerprint.size

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        pass

    def complete(self) -> None:
        pass

    def expect(self, ranges: Sequence[tuple[int, int]], *, more: bool = False) -> None:
        pass

    def read(self, offset: int, count: int) -> bytes:
        return self._store.files[self.path][offset : offset + count]

    def read_into(self, offset: int, out: NDArray[np.uint8]) -> None:
        data = self.read(offset, out.size)
        if len(data) < out.size:
            raise InputError("ends early", path=self.path)
        out[:] = np.frombuffer(data, np.uint8)

    def copy_inside(self, offset: int, fd: int, to: int, count: int) -> int:
        return 0

    def check_unchanged(self) -> None:
        if self._store.fingerprint(self.path) != self.fingerprint:
            raise changed(self.path)


@dataclass
class MemoryUpload:
    """An output on its way."""

    location: str
    overwrite: bool
    store: MemoryStore

    def send(self, fd: int, nbytes: int) -> None:
        with open(fd, "rb", closefd=False) as file:
            file.seek(0)
            self.store.pending[self.location] = file.read()
        assert len(self.store.pending[self.location]) == nbytes

    def commit(self) -> None:
        if not self.overwrite and self.store.is_file(self.location):
            raise OutputError("exists; give --overwrite to replace it", path=self.location)
        self.store.files[self.location] = self.store.pending.pop(self.location)

    def abort(self) -> bool:
        self.store.pending.pop(self.location, None)
        return False


@contextmanager
def memory_store() -> Iterator[MemoryStore]:
    """Register an empty store for `memory://` URLs."""
    store = MemoryStore()
    loaders: dict[str, Callable[[str], RemoteStore]] = {SCHEME: lambda scheme: store}
    locations.loaded.cache_clear()
    with mock.patch.dict(locations.LOADERS, loaders):
        yield store
    locations.loaded.cache_clear()


def upload_folder(store: MemoryStore, folder: Path, url: str) -> None:
    """Put all files below a folder of this machine into a store."""
    for path in folder.rglob("*"):
        if path.is_file():
            store.files[f"{url}/{path.relative_to(folder)}"] = path.read_bytes()
