"""Answer the requests of a `Walker` or an `Editor`: list, describe, read, write.

A request names its file by a number. The first request about a file opens it, and each request lists files to close.

This module runs in the child process, the only one in which the HDF5 library opens files that somebody else made. Files
come as descriptors. Of a remote file, the parent is asked for blocks: this process holds no connection of its own.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

# Set before h5py is imported: for an unknown filter, or a file that it cannot open, HDF5 loads every library in its plugin
# folders. These variables allow none, and name no folder.
os.environ["HDF5_PLUGIN_PRELOAD"] = "::"
os.environ["HDF5_PLUGIN_PATH"] = ""

from h5py import h5pl

from gradclip_cli.errors import GradclipError, InputError
from gradclip_cli.formats.hdf5.blocks import BlockFile
from gradclip_cli.formats.hdf5.chunk_table import DamagedError, Rows
from gradclip_cli.formats.hdf5.chunks import Band
from gradclip_cli.formats.hdf5.contents import Walk
from gradclip_cli.formats.hdf5.datasets import OpenDataset, PackedDataset, layout_of
from gradclip_cli.formats.hdf5.library import open_blocks, open_file, reading, writing
from gradclip_cli.formats.hdf5.messages import Message
from gradclip_cli.formats.hdf5.scouting import scout
from gradclip_cli.formats.hdf5.serving import Service, begin

Answer = tuple[Any, Any]
_NOTHING: Answer = (None, b"")
_MOST_BYTES = 4 << 20
"""The bytes of an answer about several datasets, beyond which none is added."""


class OpenFile(NamedTuple):
    """An open file, and its datasets that are being read or written; `size` is in bytes."""

    handle: Any
    size: int
    datasets: dict[str, OpenDataset]
    written: dict[str, PackedDataset]
    listed: dict[
        str, Rows
    ]  # the chunks of those that only the library can read, from the last time that layouts were asked for
    blocks: BlockFile | None = None  # those of a remote file

    def dataset(self, name: str) -> OpenDataset:
        """Return a dataset; open it on first use."""
        if name not in self.datasets:
            self.datasets[name] = OpenDataset(self.handle, name, self.size, self.listed.get(name))
        return self.datasets[name]

    def packed(self, name: str) -> PackedDataset:
        """Return a dataset of which packed chunks are written; open it on first use."""
        if name not in self.written:
            self.written[name] = PackedDataset(self.handle, name)
        return self.written[name]

    def release(self, name: str) -> None:
        """Flush a dataset that is written, and close it."""
        for held in (self.datasets, self.written):
            if (dataset := held.pop(name, None)) is not None:
                dataset.flush()


class Files:
    """The open files by the numbers that the parent gave them; each public method answers the request of its name."""

    def __init__(self) -> None:
        self._files: dict[int, OpenFile] = {}
        self._stuck: list[Any] = []

    def open(self, key: int, fd: int | None, mode: str, size: int) -> None:
        """Open the file behind a descriptor, or the remote one that the parent reads."""
        blocks = BlockFile(size)
        with reading() if mode == "r" else writing():
            handle = open_file(fd, mode) if fd is not None else open_blocks(blocks)
        self._files[key] = OpenFile(handle, size, {}, {}, {}, blocks if fd is None else None)

    def walk(self, message: Message, key: int, void_dtype: str | None) -> Answer:
        """List the contents of a file."""
        file = self._files[key]
        if file.blocks is not None:
            scout(file.handle, file.blocks)
        return Walk(void_dtype).over(file.handle), b""

    def layouts(self, message: Message, key: int, names: list[str]) -> Answer:
        """Return how the chunks of each dataset are packed and how many there are, and list all of them."""
        file = self._files[key]
        packings: list[Any] = []
        file.listed.clear()

        def list_one(name: str) -> bytes:
            packing, rows = layout_of(file.handle, name)
            packings.append([packing, len(rows)])
            if packing is None:
                file.listed[name] = rows
            return rows.tobytes()

        listed = b"".join(_each(names, list_one, message))
        return packings, listed

    def elements(self, message: Message, key: int, names: list[str]) -> Answer:
        """Return the number of datasets, and all elements of each."""
        file = self._files[key]

        def read_one(name: str) -> bytes:
            return OpenDataset(file.handle, name, file.size, file.listed.get(name)).whole().tobytes()

        found = _each(names, read_one, message)
        return len(found), b"".join(found)

    def filling(self, message: Message, key: int, name: str) -> Answer:
        """Return the fill value of a dataset as it is stored."""
        return None, self._files[key].dataset(name).filling()

    def read(self, message: Message, key: int, name: str, *band: Any) -> Answer:
        """Return the elements of a band."""
        return None, self._files[key].dataset(name).read(_band(*band)).data

    def write(self, message: Message, key: int, parts: list[list[Any]]) -> Answer:
        """Write parts of datasets: packed chunks at their origins, and elements of bands; flush and release those that are complete."""
        file, at = self._files[key], 0
        for name, places, complete in parts:
            begin(message)
            for *where, size in places:
                data = memoryview(message.payload)[at : at + size]
                at += size
                if len(where) == 1:
                    file.packed(name).write_chunk(tuple(where[0]), bytes(data))
                else:
                    file.dataset(name).write(_band(*where), np.frombuffer(data, np.uint8))
            if complete:
                file.release(name)
        return _NOTHING

    def leave(self, message: Message, key: int, name: str) -> Answer:
        """Release a dataset."""
        self._files[key].datasets.pop(name, None)
        return _NOTHING

    def finish(self, message: Message, key: int) -> Answer:
        """Complete a written file and close it."""
        with writing():
            self._close(self._files.pop(key))
        return _NOTHING

    def close(self, key: int) -> None:
        """Close a file; ignore errors, since nothing more is asked about it."""
        if key in self._files:
            with suppress(InputError), reading():
                self._close(self._files.pop(key))

    def _close(self, file: OpenFile) -> None:
        """Close a file; keep a reference if that fails, since HDF5 would try again when the file is freed."""
        file.datasets.clear()
        file.written.clear()
        self._stuck.append(file.handle)
        file.handle.close()
        self._stuck.pop()


def _each(names: list[str], find: Callable[[str], bytes], message: Message) -> list[bytes]:
    """Return the bytes of each dataset, up to the first that fails; raise its error if it is the first of all.

    The parent asks again for what is left: also if a message would get too long.
    """
    found: list[bytes] = []
    nbytes = 0
    for name in names:
        begin(message)
        try:
            found.append(find(name))
        except (GradclipError, DamagedError, MemoryError):
            if not found:
                raise
            break
        nbytes += len(found[-1])
        if nbytes > _MOST_BYTES:
            break
    return found


def _band(start: int, stop: int, origin: list[int], count: list[int]) -> Band:
    return Band(start, stop, tuple(origin), tuple(count))


def start() -> Service:
    """Return the function that answers requests; clear the plugin folders in case the parent had imported h5py."""
    while h5pl.size():
        h5pl.remove(0)
    files = Files()

    def answer(request: str, arguments: list[Any], message: Message) -> Answer:
        key, opening, done, *rest = arguments
        for number in done:
            files.close(number)
        if opening is not None:
            files.open(key, message.files[0] if message.files else None, *opening)
        method: Callable[..., Answer] = getattr(files, request)
        try:
            return method(message, key, *rest)
        except DamagedError as error:
            raise InputError(f"HDF5 cannot read it: {error}") from error

    return answer
