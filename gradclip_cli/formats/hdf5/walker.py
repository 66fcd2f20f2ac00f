"""Ask a child process for the contents of a file: it walks the foreign structure and returns plain values.

On some damaged files the HDF5 library dies, hangs or takes all memory, in ways that no list of checks can foresee. One child
serves all files of a call (see `child.shared`).
"""

import itertools
import threading
from collections.abc import Iterator
from math import prod
from typing import Any, NamedTuple

import numpy as np

from gradclip_cli.errors import InputError, OutputError
from gradclip_cli.formats.hdf5.child import Child, EndedError, shared
from gradclip_cli.formats.hdf5.chunk_table import FIELDS, Rows
from gradclip_cli.formats.hdf5.chunks import Band, Packing
from gradclip_cli.formats.hdf5.limits import Limits
from gradclip_cli.formats.hdf5.messages import Message
from gradclip_cli.formats.sharing import calls
from gradclip_cli.numerics.dtypes import DType, Raw
from gradclip_cli.storage.random_access import RandomAccess


class Dataset(NamedTuple):
    """A dataset and how it is stored; `dtype` is None if it is not of numbers, `problem` says why it must be refused."""

    name: str
    dtype: DType | None = None
    shape: tuple[int, ...] = ()
    offset: int | None = None
    storage: int = 0  # in bytes, in the file
    chunk: tuple[int, ...] | None = None
    filters: tuple[int, ...] = ()
    problem: str | None = None
    grows: bool = False  # whether axis 0 is unlimited

    @property
    def itemsize(self) -> int:
        """The size of an element in bytes."""
        return self.dtype.itemsize if self.dtype is not None else 1


class Contents(NamedTuple):
    """The contents of a file: datasets under their first names, and `aliases` of other names with their targets."""

    datasets: list[Dataset]
    aliases: list[tuple[str, str]]
    labels: dict[str, str]  # `name` attributes, by group
    non_numeric: list[str]
    groups: list[str]
    attributed: list[str]


_keys = itertools.count()
"""Unique numbers for files."""


class Walker:
    """A file that the child reads: it is open here, and the child opens its descriptor."""

    def __init__(self, file: RandomAccess) -> None:
        self.file = file
        self._link = Link(file.fd, "r", file.size, file.path, file.path)

    def contents(self, void_dtype: str | None) -> Contents:
        """Walk the file and return its contents."""
        datasets, *others = self._link.ask("walk", void_dtype).value
        return Contents(list(_datasets(datasets)), *others)

    def packing(self, name: str) -> tuple[Packing | None, bool]:
        """Return how a dataset is packed (None: read it through the child), and whether a table gives the places of its chunks."""
        found, places = self._link.ask("packing", name, tensor=name).value
        return (Packing(tuple(found[0]), *found[1:]) if found else None), bool(places)

    def rows(self, name: str) -> Rows:
        """List the chunks of a dataset."""
        return np.frombuffer(self._link.ask("rows", name, tensor=name).payload, np.int64).reshape(-1, FIELDS)

    def filling(self, name: str) -> bytes:
        """Return the fill value of a dataset as it is stored."""
        return bytes(self._link.ask("filling", name, tensor=name).payload)

    def read(self, dataset: Dataset, band: Band) -> Raw:
        """Return the elements of a band, which the library unpacks."""
        expected = (band.stop - band.start) * dataset.itemsize
        nbytes = 4 * expected + 6 * prod(dataset.chunk or ()) * dataset.itemsize
        found = self._link.ask("read", dataset.name, *_plain(band), tensor=dataset.name, nbytes=nbytes).payload
        if len(found) != expected:
            raise InputError("HDF5 cannot read it: the file is damaged", path=self.file.path, tensor=dataset.name)
        return np.frombuffer(found, np.uint8)

    def leave(self, name: str) -> None:
        """Let the child release a dataset."""
        self._link.ask("leave", name, tensor=name)

    def close(self) -> None:
        """Close the file in the child."""
        self._link.close()


class Editor:
    """A copy of a file that was walked without error, into which the child writes new elements; `fd` is open for writing."""

    def __init__(self, fd: int, size: int, source: str, path: str) -> None:
        self._link = Link(fd, "r+", size, source, path)

    def write(self, name: str, where: Band | tuple[int, ...], data: bytes) -> None:
        """Write the elements of a band, or the packed chunk at an origin."""
        nbytes = 6 * len(data)
        if isinstance(where, Band):
            self._link.ask("write", name, *_plain(where), tensor=name, nbytes=nbytes, payload=data)
        else:
            self._link.ask("write_chunk", name, where, tensor=name, nbytes=nbytes, payload=data)

    def flush(self, name: str) -> None:
        """Flush a dataset and release it."""
        self._link.ask("flush", name, tensor=name)

    def finish(self) -> None:
        """Complete the file."""
        self._link.ask("finish")

    def close(self) -> None:
        """Release the file, whether or not it is complete."""
        self._link.close()


class Link:
    """A file that a child has open; if that child dies, the next one opens it again.

    `path` is the file itself; `source` is the file whose structure it has, which is to blame if the child dies.
    """

    def __init__(self, fd: int, mode: str, size: int, source: str, path: str) -> None:
        self._fd, self._mode, self._size, self._source, self._path = fd, mode, size, source, path
        self._key, self._lock = next(_keys), threading.Lock()
        self._child: Child | None = None
        calls.join()
        self._joined = True

    def ask(
        self, request: str, *arguments: Any, tensor: str | None = None, nbytes: int = 0, payload: bytes = b""
    ) -> Message:
        """Return the child's answer to a request; raise InputError if the child ends."""
        limits = Limits.for_request(self._size, nbytes)
        try:
            with self._lock:  # two threads may ask first
                child = shared.get()
                opening, files = (None, ()) if self._child is child else ([self._mode, self._size], (self._fd,))
                self._child = child
                sent = [self._key, opening, child.forgotten(), *arguments]
                return child.ask(request, sent, limits, Message(None, payload, files))
        except EndedError as ended:
            message = f"HDF5 cannot read it: the file is damaged ({ended})"
            raise InputError(message, path=self._source, tensor=tensor) from ended
        except (InputError, OutputError) as error:
            error.path = error.path or (self._path if isinstance(error, OutputError) else self._source)
            error.tensor = error.tensor or tensor
            raise

    def close(self) -> None:
        """Let the child close the file at its next request."""
        if self._joined:
            self._joined = False
            if self._child is not None:
                self._child.forget(self._key)
            calls.leave()


def _plain(band: Band) -> tuple[Any, ...]:
    return band.start, band.stop, band.origin, band.count


def _datasets(rows: list[list[Any]]) -> Iterator[Dataset]:
    """Make datasets from the lists of a message; equal types become one object, so that neighbours can be read together."""
    types: dict[tuple[Any, ...], DType] = {}
    for name, kind, shape, offset, storage, chunk, filters, problem, grows in rows:
        dtype = None if kind is None else types.setdefault(tuple(kind), DType(*kind))
        chunks = None if chunk is None else tuple(chunk)
        yield Dataset(name, dtype, tuple(shape), offset, storage, chunks, tuple(filters), problem, bool(grows))
