"""Chunks packed by deflate, with or without shuffle, handled outside h5py, which does all under one lock."""

import zlib
from collections.abc import Iterator
from itertools import product
from math import prod
from typing import Any, NamedTuple

import numpy as np
from h5py import h5d, h5z

from gradclip_cli.formats.hdf5.bands import Band
from gradclip_cli.formats.hdf5.table import tells_places
from gradclip_cli.numerics.dtypes import Raw

_DEFLATES = [(h5z.FILTER_DEFLATE, level) for level in range(10)]


class Packing(NamedTuple):
    """How the chunks of a dataset are packed."""

    chunk: tuple[int, ...]
    itemsize: int
    shuffle: bool
    level: int | None  # None: not deflated

    @property
    def nbytes(self) -> int:
        """The size of a chunk that is not packed."""
        return prod(self.chunk) * self.itemsize

    def unpack(self, data: bytes) -> Raw:
        """Return the elements of a chunk; raise ValueError where it is damaged."""
        if self.level is None:
            if len(data) != self.nbytes:
                raise ValueError("a chunk does not have the size that it should have")
            return np.frombuffer(data, np.uint8)
        stream = zlib.decompressobj()
        try:
            plain = stream.decompress(data, self.nbytes + 1)
        except zlib.error as error:
            raise ValueError(f"a chunk cannot be unpacked: {error}") from error
        if len(plain) != self.nbytes or not stream.eof:
            raise ValueError("a chunk does not have the size that it should have")
        raw = np.frombuffer(plain, np.uint8)
        return raw.reshape(self.itemsize, -1).T.reshape(-1) if self.shuffle else raw

    def pack(self, raw: Raw) -> bytes:
        """Pack the elements of a chunk."""
        if self.shuffle:
            raw = np.ascontiguousarray(raw.reshape(-1, self.itemsize).T)
        return raw.tobytes() if self.level is None else zlib.compress(raw.data, self.level)


def word(itemsize: int) -> str:
    """Return a numpy dtype of the size of an element; integers are moved about faster than bytes of no type."""
    return f"u{itemsize}" if itemsize in (1, 2, 4, 8) else f"V{itemsize}"


def packing_of(dataset: Any, itemsize: int) -> Packing | None:
    """Describe the packing of a dataset; None where it is not chunked, or h5py has to pack it."""
    plan = dataset.get_create_plist()
    if plan.get_layout() != h5d.CHUNKED or not tells_places(dataset):
        return None
    filters = [plan.get_filter(k) for k in range(plan.get_nfilters())]
    kinds = [(found[0], *found[2]) for found in filters]  # with what each filter was told
    if not kinds:
        return Packing(plan.get_chunk(), itemsize, False, None)
    if kinds[-1] not in _DEFLATES or kinds[:-1] not in ([], [(h5z.FILTER_SHUFFLE, itemsize)]):
        return None
    packing = Packing(plan.get_chunk(), itemsize, len(kinds) > 1, kinds[-1][1])
    return packing if _edges_packed(dataset, packing) else None


def _edges_packed(dataset: Any, packing: Packing) -> bool:
    """Whether chunks at the edges are packed as well: a file can say, where h5py cannot see it, that they are not."""
    corner = tuple((size - 1) // c * c for size, c in zip(dataset.shape, packing.chunk, strict=True))
    if not prod(dataset.shape) or all(size % c == 0 for size, c in zip(dataset.shape, packing.chunk, strict=True)):
        return True
    info = dataset.get_chunk_info_by_coord(corner)
    return info.byte_offset is not None and info.size != packing.nbytes


def origins(band: Band, chunk: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Yield the origins of the chunks that a band has a part of."""
    return product(*(range(o - o % c, o + n, c) for o, n, c in zip(band.origin, band.count, chunk, strict=True)))


def aligned(band: Band, shape: tuple[int, ...], chunk: tuple[int, ...]) -> bool:
    """Whether a band consists of whole chunks."""
    ends = zip(band.origin, band.count, shape, chunk, strict=True)
    return all(o % c == 0 and ((o + n) % c == 0 or o + n == s) for o, n, s, c in ends)


def parts(band: Band, origin: tuple[int, ...], chunk: tuple[int, ...]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Where the elements that a band and a chunk have in common stand in the band, and where in the chunk."""
    inside, used = [], []
    for at, c, first, n in zip(origin, chunk, band.origin, band.count, strict=True):
        start, stop = max(at, first), min(at + c, first + n)
        inside.append(slice(start - first, stop - first))
        used.append(slice(start - at, stop - at))
    return tuple(inside), tuple(used)


def packed(raw: Raw, band: Band, packing: Packing) -> Iterator[tuple[tuple[int, ...], bytes]]:
    """Pack a band; yield the origin and the bytes of each chunk."""
    held = raw.view(word(packing.itemsize)).reshape(band.count)
    for origin in origins(band, packing.chunk):
        inside, used = parts(band, origin, packing.chunk)
        values = np.zeros(packing.chunk, word(packing.itemsize))
        values[used] = held[inside]
        yield origin, packing.pack(values.reshape(-1).view(np.uint8))
