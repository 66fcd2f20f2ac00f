"""Datasets that do not lie in one piece, read from first to last, a band at a time."""

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np
from h5py import h5d, h5s

from gradclip_cli.formats.hdf5.bands import Band, bands
from gradclip_cli.formats.hdf5.calls import lock
from gradclip_cli.formats.hdf5.chunks import aligned, origins, packing_of, parts, word
from gradclip_cli.formats.hdf5.table import Table, filling
from gradclip_cli.numerics.dtypes import Raw
from gradclip_cli.storage.random_access import InputFile
from gradclip_cli.tensors import TensorSpec

BAND_BYTES = 4 << 20
"""How much of a chunked dataset is held at once, in whole rows of chunks; a single row may have four times as much."""
_MOST_CHUNKS = 1024
"""How many chunks a band has, or four times as many: HDF5 takes some 8 kB for each that a call has to do with."""


class BandReader:
    """A dataset read a band at a time: chunk by chunk where there are chunks, of which only those that exist are asked for."""

    def __init__(self, dataset: Any, spec: TensorSpec, file: InputFile) -> None:
        self._dataset, self._spec, self._file = dataset, spec, file
        self._word = word(spec.dtype.itemsize)
        self._packing = packing_of(dataset, spec.dtype.itemsize)
        plan = dataset.get_create_plist()
        self._chunk = plan.get_chunk() if plan.get_layout() == h5d.CHUNKED else None
        self.table = Table(dataset, file.size) if self._chunk is not None else None
        self._filling = b""
        self._bands: Iterator[Band] = bands_of(dataset, spec)
        self._held: Raw = np.empty(0, np.uint8)

    def read_into(self, out: Raw) -> None:
        """Fill `out` with the next elements."""
        done = 0
        while done < out.size:
            if not self._held.size:
                self._held = self._load(next(self._bands))
            part = self._held[: out.size - done]
            out[done : done + part.size] = part
            self._held = self._held[part.size :]
            done += part.size

    def _load(self, band: Band) -> Raw:
        if self._chunk is None or self.table is None or not self.table.tells_places:
            return self._read(band)
        held = np.empty(band.count, self._word)
        whole = aligned(band, self._spec.shape, self._chunk)
        for origin in origins(band, self._chunk):
            inside, used = parts(band, origin, self._chunk)
            held[inside] = self._values(origin, used, whole)
        return held.reshape(-1).view(np.uint8)

    def _values(self, origin: tuple[int, ...], used: tuple[slice, ...], whole: bool) -> Any:
        """Return the elements `used` of a chunk."""
        found = self.table.find(origin) if self.table is not None else None
        if found is None:
            return np.frombuffer(self._fill(), self._word)[0]
        offset, size, mask = found
        if self._packing is not None and whole and not mask:
            raw = self._packing.unpack(self._file.read(offset, size))
            return raw.view(self._word).reshape(self._packing.chunk)[used]
        first = tuple(at + part.start for at, part in zip(origin, used, strict=True))
        count = tuple(part.stop - part.start for part in used)
        return self._read(Band(0, prod(count), first, count)).view(self._word).reshape(count)

    def _read(self, band: Band) -> Raw:
        raw = np.empty((band.stop - band.start) * self._spec.dtype.itemsize, np.uint8)
        with lock:
            self._dataset.read(*selection(self._dataset, band), raw, self._dataset.get_type())
        return raw

    def _fill(self) -> bytes:
        if not self._filling:
            with lock:
                self._filling = filling(self._dataset)
        return self._filling


def bands_of(dataset: Any, spec: TensorSpec) -> Iterator[Band]:
    """The bands in which a dataset is read and written."""
    plan = dataset.get_create_plist()
    most = BAND_BYTES // spec.dtype.itemsize
    if plan.get_layout() != h5d.CHUNKED:
        return bands(spec.shape, (1,) * len(spec.shape), most, 4 * most)
    most = min(most, _MOST_CHUNKS * prod(plan.get_chunk()))
    return bands(spec.shape, plan.get_chunk(), most, 4 * most)


def selection(dataset: Any, band: Band) -> tuple[Any, Any]:
    """The memory space and the file space of a band."""
    space = dataset.get_space()
    if not band.count:
        return h5s.create(h5s.SCALAR), space
    space.select_hyperslab(band.origin, band.count)
    return h5s.create_simple(band.count), space
