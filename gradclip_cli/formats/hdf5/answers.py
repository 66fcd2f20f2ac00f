"""Answer what a `Walker` asks about files: list, describe, read, write.

A request names its file by a number; the first one opens the file, and each says which files are not wanted any more.

Runs in the child process, the only one in which the HDF5 library opens a file that somebody else made. Files come as
descriptors. Where their bytes will not be on this machine, `Files.open` is the place that opens a file object instead,
which asks the parent for blocks: this process holds no connection of its own.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

# Before anything here brings in h5py: a filter that is not known, or a file that cannot be opened, would make HDF5 load
# every library where plugins lie; this says that it may load none, and that they lie nowhere.
os.environ["HDF5_PLUGIN_PRELOAD"] = "::"
os.environ["HDF5_PLUGIN_PATH"] = ""

from h5py import h5pl

from gradclip_cli.errors import InputError
from gradclip_cli.formats.hdf5.chunk_table import DamagedError
from gradclip_cli.formats.hdf5.chunks import Band
from gradclip_cli.formats.hdf5.contents import Walk
from gradclip_cli.formats.hdf5.datasets import OpenDataset
from gradclip_cli.formats.hdf5.library import open_file, reading, writing
from gradclip_cli.formats.hdf5.messages import Message
from gradclip_cli.formats.hdf5.serving import Service

Answer = tuple[Any, Any]
_NOTHING: Answer = (None, b"")


class OpenFile(NamedTuple):
    """A file that is open, and those of its datasets that are being read or written."""

    handle: Any
    size: int
    datasets: dict[str, OpenDataset]

    def dataset(self, name: str) -> OpenDataset:
        """Return a dataset, opened when it is first asked for."""
        if name not in self.datasets:
            self.datasets[name] = OpenDataset(self.handle, name, self.size)
        return self.datasets[name]


class Files:
    """The files that are open, by the numbers that the parent gave them."""

    def __init__(self) -> None:
        self._files: dict[int, OpenFile] = {}
        self._stuck: list[Any] = []

    def open(self, key: int, fd: int, mode: str, size: int) -> None:
        """Open the file behind a descriptor."""
        with reading() if mode == "r" else writing():
            self._files[key] = OpenFile(open_file(fd, mode), size, {})

    def walk(self, message: Message, key: int, void_dtype: str | None) -> Answer:
        """List what is in a file."""
        return Walk(void_dtype).over(self._files[key].handle), b""

    def packing(self, message: Message, key: int, name: str) -> Answer:
        """Say how a dataset is packed, and whether a listing tells where its chunks are."""
        dataset = self._files[key].dataset(name)
        return [dataset.packing(), dataset.places], b""

    def rows(self, message: Message, key: int, name: str) -> Answer:
        """List the chunks of a dataset."""
        return None, self._files[key].dataset(name).rows().tobytes()

    def filling(self, message: Message, key: int, name: str) -> Answer:
        """Return the element that stands for those never written."""
        return None, self._files[key].dataset(name).filling()

    def read(self, message: Message, key: int, name: str, *band: Any) -> Answer:
        """Return the elements of a band."""
        return None, self._files[key].dataset(name).read(_band(*band)).data

    def write(self, message: Message, key: int, name: str, *band: Any) -> Answer:
        """Put the elements of a band into a file."""
        self._files[key].dataset(name).write(_band(*band), np.frombuffer(message.payload, np.uint8))
        return _NOTHING

    def write_chunk(self, message: Message, key: int, name: str, origin: list[int]) -> Answer:
        """Put a packed chunk into a file."""
        self._files[key].dataset(name).write_chunk(tuple(origin), bytes(message.payload))
        return _NOTHING

    def flush(self, message: Message, key: int, name: str) -> Answer:
        """Bring what was written of a dataset to its file, and let go of it."""
        self._files[key].datasets.pop(name).flush()
        return _NOTHING

    def leave(self, message: Message, key: int, name: str) -> Answer:
        """Let go of a dataset."""
        self._files[key].datasets.pop(name, None)
        return _NOTHING

    def finish(self, message: Message, key: int) -> Answer:
        """Complete a file that was written."""
        with writing():
            self._close(self._files.pop(key))
        return _NOTHING

    def close(self, key: int) -> None:
        """Close a file of which nothing more is wanted."""
        if key in self._files:
            with suppress(InputError), reading():
                self._close(self._files.pop(key))

    def _close(self, file: OpenFile) -> None:
        """Close a file; one that HDF5 fails to close is kept, since it would try again when it is freed."""
        file.datasets.clear()
        self._stuck.append(file.handle)
        file.handle.close()
        self._stuck.pop()


def _band(start: int, stop: int, origin: list[int], count: list[int]) -> Band:
    return Band(start, stop, tuple(origin), tuple(count))


def start() -> Service:
    """Return what answers requests; forget where plugins lie, in case h5py was there before this process."""
    while h5pl.size():
        h5pl.remove(0)
    files = Files()

    def answer(request: str, arguments: list[Any], message: Message) -> Answer:
        key, opening, done, *rest = arguments
        for number in done:
            files.close(number)
        if opening is not None:
            files.open(key, message.files[0], *opening)
        method: Callable[..., Answer] = getattr(files, request)
        try:
            return method(message, key, *rest)
        except DamagedError as error:
            raise InputError(f"HDF5 cannot read it: {error}") from error

    return answer
