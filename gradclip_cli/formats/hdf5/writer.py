"""Writing HDF5: a byte-for-byte copy with new elements, or a new file of contiguous datasets."""

import os
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import IO, Any

import numpy as np

from gradclip_cli.dtypes import Raw, to_numpy
from gradclip_cli.errors import InputError, OutputError
from gradclip_cli.files import reopened, write_at
from gradclip_cli.formats.base import Copy, Reader, around
from gradclip_cli.formats.hdf5.bands import Band
from gradclip_cli.formats.hdf5.chunks import aligned, packed, packing_of
from gradclip_cli.formats.hdf5.reader import bands_of, selection
from gradclip_cli.formats.hdf5.types import mapped
from gradclip_cli.formats.turns import Turns, spool
from gradclip_cli.tensors import TensorSpec

import h5py  # isort: skip
from h5py import h5d, h5o, h5p  # isort: skip

_MOST_DIMENSIONS = 32


class Hdf5Writer:
    """An HDF5 file whose structure stands; contiguous datasets go to their offsets, others through h5py in their turn."""

    def __init__(
        self, tensors: Sequence[TensorSpec], pending: Collection[int], copies: Sequence[Copy], fd: int, path: str
    ) -> None:
        self.tensors, self.pending, self.copies = tensors, pending, copies
        self.notes: Sequence[str] = ()
        self._fd, self._path = fd, path
        self._handle: Any = None
        self._lock = threading.Lock()
        self._bands: dict[str, BandWriter] = {}
        self._turns = Turns([tensors[k].name for k in sorted(pending) if tensors[k].offset is None and tensors[k].size])

    def write(self, spec: TensorSpec, start: int, data: Raw) -> None:
        """Write stored elements from `start` on."""
        if spec.offset is not None:
            write_at(self._fd, spec.position(start), data.data, self._path)
        elif spec.size:
            with written(self._path, spec.name):
                if start == 0:
                    self._bands[spec.name] = BandWriter(self._open(spec.name), spec, spool(self._path))
                self._bands[spec.name].write(data)
                if start + data.size // spec.dtype.itemsize == spec.size:
                    self._turns.take(spec.name, self._bands.pop(spec.name).place)

    def finish(self) -> None:
        """Close h5py's handle, where there is one."""
        if self._handle is not None:
            with written(self._path, None):
                self._handle.close()

    def _open(self, name: str) -> Any:
        with self._lock:
            if self._handle is None:
                self._handle = h5py.File(reopened(self._fd), "r+", locking=False)
        return h5o.open(self._handle.id, name.encode())


class BandWriter:
    """A dataset packed from first to last, a band at a time, beside the file until its turn comes."""

    def __init__(self, dataset: Any, spec: TensorSpec, held: IO[bytes]) -> None:
        self._dataset, self._shape, self._itemsize, self._spool = dataset, spec.shape, spec.dtype.itemsize, held
        self._packing = packing_of(dataset, spec.dtype.itemsize)
        self._bands = bands_of(dataset, spec)
        self._placed: list[tuple[Band | tuple[int, ...], int]] = []
        self._next()

    def write(self, data: Raw) -> None:
        """Take the next elements."""
        done = 0
        while done < data.size:
            part = data[done : done + self._held.size - self._filled]
            self._held[self._filled : self._filled + part.size] = part
            self._filled += part.size
            done += part.size
            if self._filled == self._held.size:
                self._pack(self._band)
                self._next()

    def place(self) -> None:
        """Put the dataset into the file."""
        self._spool.seek(0)
        with self._spool:
            for where, size in self._placed:
                data = self._spool.read(size)
                if isinstance(where, Band):
                    raw = np.frombuffer(data, np.uint8)
                    self._dataset.write(*selection(self._dataset, where), raw, self._dataset.get_type())
                else:
                    self._dataset.write_direct_chunk(where, data)

    def _pack(self, band: Band) -> None:
        if self._packing is None or not aligned(band, self._shape, self._packing.chunk):
            self._keep(band, self._held.tobytes())
            return
        for origin, data in packed(self._held, band, self._packing):
            self._keep(origin, data)

    def _keep(self, where: Band | tuple[int, ...], data: bytes) -> None:
        self._spool.write(data)
        self._placed.append((where, len(data)))

    def _next(self) -> None:
        band = next(self._bands, None)
        if band is not None:
            self._band, self._filled = band, 0
            self._held = np.empty((band.stop - band.start) * self._itemsize, np.uint8)


def rewrite(reader: Reader, changed: Collection[int], fd: int, path: str) -> Hdf5Writer:
    """Begin a copy, byte for byte but for the elements of `changed`."""
    os.ftruncate(fd, reader.file.size)  # HDF5 opens no file that is shorter than it should be
    return Hdf5Writer(reader.tensors, changed, around(reader, changed), fd, path)


def convert(tensors: Sequence[TensorSpec], fd: int, path: str) -> Hdf5Writer:
    """Begin a new file of contiguous datasets whose places are known before they are filled."""
    _check_names(tensors, path)
    placed = []
    with written(path, None), h5py.File(reopened(fd), "w", locking=False) as file:
        for spec in tensors:
            placed.append(_create(file, replace(spec, dtype=replace(spec.dtype, swapped=False), fortran=False)))
    return Hdf5Writer(placed, range(len(placed)), (), fd, path)


def _create(file: Any, spec: TensorSpec) -> TensorSpec:
    plan = h5p.create(h5p.DATASET_CREATE)
    plan.set_alloc_time(h5d.ALLOC_TIME_EARLY)
    plan.set_fill_time(h5d.FILL_TIME_NEVER)
    dataset = file.create_dataset(spec.name, spec.shape, to_numpy(spec.dtype), dcpl=plan)
    if spec.dtype.name == "bfloat16":
        dataset.attrs["dtype"] = "bfloat16"  # as Keras marks it: HDF5 sees two opaque bytes
    return replace(spec, offset=dataset.id.get_offset())


def _check_names(tensors: Sequence[TensorSpec], path: str) -> None:
    groups = {spec.name[:k] for spec in tensors for k, c in enumerate(spec.name) if c == "/"}
    for spec in tensors:
        reason = None
        if spec.name in groups:
            reason = "another tensor's name needs a group of this name"
        elif any(part in ("", ".", "..") for part in spec.name.split("/")) or "\0" in spec.name:
            reason = "HDF5 has no such name"
        elif spec.dtype.is_float and spec.dtype.itemsize == 1:
            reason = f"HDF5 has no {spec.dtype.name}"
        elif len(spec.shape) > _MOST_DIMENSIONS:
            reason = f"{len(spec.shape)} dimensions; HDF5 has at most {_MOST_DIMENSIONS}"
        if reason:
            raise OutputError(f"HDF5 cannot hold it: {reason}", path=path, tensor=spec.name)


@contextmanager
def written(path: str, tensor: str | None) -> Iterator[None]:
    """Turn h5py's errors into errors of the output."""
    try:
        with mapped(path, tensor):
            yield
    except InputError as error:
        raise OutputError(error.message.replace("read", "write", 1), path=path, tensor=tensor) from error
