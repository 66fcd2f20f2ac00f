"""Writing HDF5: a byte-for-byte copy with new elements, or a new file of contiguous datasets."""

from collections.abc import Collection, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import IO, Any

import numpy as np
from h5py import h5d, h5p, h5z

from gradclip_cli.errors import OutputError
from gradclip_cli.formats.copy_ranges import Copy, unchanged_ranges
from gradclip_cli.formats.hdf5.banded import bands_of, selection
from gradclip_cli.formats.hdf5.bands import Band
from gradclip_cli.formats.hdf5.calls import let_go, lock, mapped, written
from gradclip_cli.formats.hdf5.chunks import aligned, packed, packing_of
from gradclip_cli.formats.hdf5.handles import opened, opened_dataset
from gradclip_cli.formats.hdf5.reader import Hdf5Reader
from gradclip_cli.formats.ordered_output import Turns
from gradclip_cli.numerics.dtypes import Raw, to_numpy
from gradclip_cli.storage.random_access import extend, write_at
from gradclip_cli.tensors import TensorSpec

_MOST_DIMENSIONS = 32


class Hdf5Writer:
    """An HDF5 file whose structure stands; contiguous datasets go to their offsets, others through h5py in their turn."""

    def __init__(
        self,
        tensors: Sequence[TensorSpec],
        pending: Collection[int],
        copies: Sequence[Copy],
        fd: int,
        path: str,
        source: Any = None,
    ) -> None:
        self.tensors, self.pending, self.copies = tensors, pending, copies
        self.notes: Sequence[str] = ()
        self._fd, self._path, self._source = fd, path, source  # the file that datasets are described by
        self._handle: Any = None
        self._bands: dict[str, BandWriter] = {}
        self._turns = Turns([tensors[k].name for k in sorted(pending) if tensors[k].offset is None and tensors[k].size])

    def write(self, spec: TensorSpec, start: int, data: Raw) -> None:
        """Write stored elements from `start` on."""
        if spec.offset is not None:
            write_at(self._fd, spec.position(start), data.data, self._path)
        elif spec.size:
            with written(self._path, spec.name):
                if start == 0:
                    with lock:
                        self._bands[spec.name] = BandWriter(self._described(spec), spec, self._turns.spool(self._path))
                self._bands[spec.name].write(data)
                if start + data.size // spec.dtype.itemsize == spec.size:
                    packed = self._bands.pop(spec.name)
                    self._turns.take(spec.name, lambda: packed.place(self._open(spec)))

    def finish(self) -> None:
        """Close h5py's handle, where there is one."""
        if self._handle is not None:
            with written(self._path, None), lock:
                self._handle.close()

    def close(self) -> None:
        """Close h5py's handle where an error came before the end."""
        self._turns.close()
        if self._handle is not None:
            let_go(self._handle)

    def _described(self, spec: TensorSpec) -> Any:
        return self._open(spec) if self._source is None else _dataset(self._source, spec)

    def _open(self, spec: TensorSpec) -> Any:
        """Open a dataset, in its turn: whatever HDF5 does to a file, it does in the same order each time."""
        with lock:
            if self._handle is None:
                self._handle = opened(self._fd, "r+")
            return _dataset(self._handle, spec)


class BandWriter:
    """A dataset packed from first to last, a band at a time, beside the file until its turn comes."""

    def __init__(self, dataset: Any, spec: TensorSpec, held: IO[bytes]) -> None:
        self._shape, self._itemsize, self._spool = spec.shape, spec.dtype.itemsize, held
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

    def place(self, dataset: Any) -> None:
        """Put the dataset into the file."""
        self._spool.seek(0)
        with self._spool, lock:
            for where, size in self._placed:
                data = self._spool.read(size)
                if isinstance(where, Band):
                    dataset.write(*selection(dataset, where), np.frombuffer(data, np.uint8), dataset.get_type())
                else:
                    dataset.write_direct_chunk(where, data)
            dataset.flush()  # now, and not when it is closed, whenever that is

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


def _dataset(handle: Any, spec: TensorSpec) -> Any:
    return opened_dataset(handle, spec.name)


def rewrite(reader: Hdf5Reader, changed: Collection[int], fd: int, path: str) -> Hdf5Writer:
    """Begin a copy, byte for byte but for the elements of `changed`."""
    for index in changed:
        _check_lossless(reader, reader.tensors[index], path)
    extend(fd, reader.file.size, path)  # HDF5 opens no file that is shorter than it should be
    return Hdf5Writer(reader.tensors, changed, unchanged_ranges(reader, changed), fd, path, reader.handle)


def _check_lossless(reader: Hdf5Reader, spec: TensorSpec, path: str) -> None:
    """Refuse to put new elements behind a filter that would round them again, to a step made for the old ones."""
    if spec.offset is None:
        with mapped(reader.file.path, spec.name), lock:
            plan = _dataset(reader.handle, spec).get_create_plist()
            filters = [plan.get_filter(k)[0] for k in range(plan.get_nfilters())]
        if h5z.FILTER_SCALEOFFSET in filters:
            message = "is packed by scale-offset, which would round it again; write another format, or repack it"
            raise OutputError(message, path=path, tensor=spec.name)


def convert(tensors: Sequence[TensorSpec], fd: int, path: str) -> Hdf5Writer:
    """Begin a new file of contiguous datasets whose places are known before they are filled."""
    _check_names(tensors, path)
    placed = []
    with written(path, None), lock, ExitStack() as at_last:
        file = opened(fd, "w")
        at_last.callback(let_go, file)
        for spec in tensors:
            placed.append(_create(file, replace(spec, dtype=spec.dtype._replace(swapped=False), fortran=False)))
        file.close()  # what cannot be written is an error here, and is not in the end
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
            raise OutputError(
                f"HDF5 cannot hold it: {reason}; choose another --output-format", path=path, tensor=spec.name
            )
