"""Read and write the elements of datasets through the HDF5 library, and describe how they are packed.

This module runs in the child process.
"""

from math import prod
from typing import Any

import numpy as np
from h5py import h5d, h5f, h5p, h5s, h5z

from gradclip_cli.formats.hdf5.chunk_table import ChunkTable, Rows, counts_of, listed
from gradclip_cli.formats.hdf5.chunks import Band, Packing, origins, parts, word
from gradclip_cli.formats.hdf5.library import open_dataset, path_of, reading, writing
from gradclip_cli.numerics.dtypes import Raw

_DEFLATES = [(h5z.FILTER_DEFLATE, level) for level in range(10)]


class OpenDataset:
    """An open dataset, which is read chunk by chunk if it has chunks; `rows` lists them, if that is known."""

    def __init__(self, file: Any, name: str, file_size: int, rows: Rows | None = None) -> None:
        with reading(tensor=name):
            self._dataset = open_dataset(file, name)
            plan = self._dataset.get_create_plist()
            self.chunk: tuple[int, ...] | None = plan.get_chunk() if plan.get_layout() == h5d.CHUNKED else None
            self._places = tells_places(self._dataset.get_space())
            self._kind = self._dataset.get_type()
            self._shape, self._itemsize = tuple(self._dataset.shape), self._kind.get_size()
        self._name, self._file_size, self._rows = name, file_size, rows
        self._table: ChunkTable | None = None
        self._filling = b""

    def read(self, band: Band) -> Raw:
        """Return the elements of a band; ask the library only for chunks that exist."""
        if self.chunk is None or not self._places:
            return self._read(band)
        if self._table is None:
            self._table = self._listed(self.chunk)
        held = np.empty(band.count, word(self._itemsize))
        for origin in origins(band, self.chunk):
            inside, used = parts(band, origin, self.chunk)
            held[inside] = self._values(origin, used)
        return held.reshape(-1).view(np.uint8)

    def whole(self) -> Raw:
        """Return all elements."""
        return self.read(Band(0, prod(self._shape), (0,) * len(self._shape), self._shape))

    def _listed(self, chunk: tuple[int, ...]) -> ChunkTable:
        counts = counts_of(self._shape, chunk)
        if self._rows is None:
            with reading(tensor=self._name):
                self._rows = listed(self._dataset, self._shape, counts, chunk, self._places)
        return ChunkTable(self._rows, counts, chunk, self._file_size)

    def _values(self, origin: tuple[int, ...], used: tuple[slice, ...]) -> Any:
        """Return the elements `used` of a chunk."""
        if self._table is not None and self._table.find(origin) is None:
            return np.frombuffer(self.filling(), word(self._itemsize))[0]
        first = tuple(at + part.start for at, part in zip(origin, used, strict=True))
        count = tuple(part.stop - part.start for part in used)
        return self._read(Band(0, prod(count), first, count)).view(word(self._itemsize)).reshape(count)

    def _read(self, band: Band) -> Raw:
        raw = np.empty((band.stop - band.start) * self._itemsize, np.uint8)
        with reading(tensor=self._name):
            self._dataset.read(*selection(self._dataset, band), raw, self._kind)
        return raw

    def filling(self) -> bytes:
        """Return the fill value as it is stored."""
        if not self._filling:
            with reading(tensor=self._name):
                self._filling = filling(self._dataset)
        return self._filling

    def write(self, band: Band, data: Raw) -> None:
        """Write the elements of a band."""
        with writing(tensor=self._name):
            self._dataset.write(*selection(self._dataset, band), data, self._kind)

    def flush(self) -> None:
        """Flush everything to the file now, not at some later close."""
        with writing(tensor=self._name):
            self._dataset.flush()


class PackedDataset:
    """An open dataset of which only packed chunks are written."""

    def __init__(self, file: Any, name: str) -> None:
        self._name = name
        with writing(tensor=name):
            self._dataset = h5d.open(file, path_of(name))

    def write_chunk(self, origin: tuple[int, ...], data: bytes) -> None:
        """Write a chunk."""
        with writing(tensor=self._name):
            self._dataset.write_direct_chunk(origin, data)

    def flush(self) -> None:
        """Flush everything to the file now, not at some later close."""
        with writing(tensor=self._name):
            self._dataset.flush()


def layout_of(file: Any, name: str) -> tuple[Packing | None, Rows]:
    """Return how the chunks of a dataset are packed, and list them; it is opened once, since nothing is read."""
    with reading(tensor=name):
        dataset = h5d.open(file, path_of(name))
        plan, space = dataset.get_create_plist(), dataset.get_space()
        chunk, shape, places = plan.get_chunk(), space.shape, tells_places(space)
        packing = packing_of(dataset, plan, shape) if places else None
        return packing, listed(dataset, shape, counts_of(shape, chunk), chunk, places)


def tells_places(space: Any) -> bool:
    """Return whether a listing of the chunks of a dataset of this space gives their right places.

    HDF5 reports wrong places for an extensible array: one unlimited axis that is not the first.
    """
    limits = space.get_simple_extent_dims(True)
    return bool(limits.count(h5s.UNLIMITED) != 1 or limits[0] == h5s.UNLIMITED)


def filling(dataset: Any) -> bytes:
    """Return the fill value as it is stored: HDF5 writes it into a dataset in memory, from which it is read."""
    plan = dataset.get_create_plist().copy()
    plan.set_layout(h5d.CONTIGUOUS)
    plan.remove_filter(h5z.FILTER_ALL)
    plan.set_fill_time(h5d.FILL_TIME_ALLOC)
    access = h5p.create(h5p.FILE_ACCESS)
    access.set_fapl_core(1 << 16, False)
    memory = h5f.create(b"filling", h5f.ACC_TRUNC, fapl=access)
    kind = dataset.get_type().copy()
    one = h5d.create(memory, b"one", kind, h5s.create_simple((1,)), plan)
    raw = np.empty(kind.get_size(), np.uint8)
    one.read(h5s.ALL, h5s.ALL, raw, kind)
    return raw.tobytes()


def packing_of(dataset: Any, plan: Any, shape: tuple[int, ...]) -> Packing | None:
    """Return how a dataset of chunks is packed, which `plan` says; None if only HDF5 can unpack it."""
    itemsize = dataset.get_type().get_size()
    filters = [plan.get_filter(k) for k in range(plan.get_nfilters())]
    kinds = [(found[0], *found[2]) for found in filters]  # the number of each filter, and its parameters
    if not kinds:
        return Packing(plan.get_chunk(), itemsize, False, None)
    if kinds[-1] not in _DEFLATES or kinds[:-1] not in ([], [(h5z.FILTER_SHUFFLE, itemsize)]):
        return None
    packing = Packing(plan.get_chunk(), itemsize, len(kinds) > 1, kinds[-1][1])
    return packing if _edges_packed(dataset, packing, shape) else None


def _edges_packed(dataset: Any, packing: Packing, shape: tuple[int, ...]) -> bool:
    """Return whether chunks at the edges are packed too: a file can say that they are not, which h5py does not show."""
    if packing.chunk == shape or not prod(shape):
        return True
    if all(size % c == 0 for size, c in zip(shape, packing.chunk, strict=True)):
        return True
    corner = tuple((size - 1) // c * c for size, c in zip(shape, packing.chunk, strict=True))
    info = dataset.get_chunk_info_by_coord(corner)
    return info.byte_offset is not None and info.size != packing.nbytes


def selection(dataset: Any, band: Band) -> tuple[Any, Any]:
    """Return the memory space and the file space of a band."""
    space = dataset.get_space()
    if not band.count:
        return h5s.create(h5s.SCALAR), space
    space.select_hyperslab(band.origin, band.count)
    return h5s.create_simple(band.count), space
