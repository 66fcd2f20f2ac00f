"""Split chunked arrays into bands; pack and unpack chunks with deflate, with or without shuffle.

A band is a box that is contiguous in C order, so that a chunked array can be read from first element to last. Chunks are
unpacked here if possible, since HDF5 does everything under one lock.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import NamedTuple

import numpy as np

from gradclip_cli.formats.hdf5.chunk_table import DamagedError
from gradclip_cli.numerics.dtypes import Raw

BAND_BYTES = 4 << 20
"""The bytes of a chunked dataset held at once, in whole rows of chunks; a single row may have four times as many."""
_MOST_CHUNKS = 1024
"""About as many chunks are in a band, at most four times as many: HDF5 takes some 8 kB for each that a call touches."""


@dataclass(frozen=True, slots=True)
class Band:
    """The elements from `start` to `stop` in C order, which form the box at `origin` with extents `count`."""

    start: int
    stop: int
    origin: tuple[int, ...]
    count: tuple[int, ...]


def bands(shape: tuple[int, ...], chunk: tuple[int, ...], most: int, ceiling: int = 0) -> Iterator[Band]:
    """Yield the bands of an array in order, of about `most` elements each and of at most `ceiling`, if that is more.

    A band has as many whole rows of chunks as fit, but at least one. If one row is above the ceiling, the leading axes are
    split index by index: memory stays bounded, but some chunks are read more than once.
    """
    if not prod(shape):
        return
    ceiling = max(most, ceiling)
    axis = _axis(shape, chunk, ceiling)
    inner = prod(shape[axis + 1 :])
    length, unit = (shape[axis], chunk[axis]) if shape else (1, 1)
    if unit * inner > ceiling:
        unit = 1
    rows = unit * max(1, most // (unit * inner))
    start = 0
    for outer in product(*(range(size) for size in shape[:axis])):
        for first in range(0, length, rows):
            taken = min(rows, length - first)
            stop = start + taken * inner
            rest = shape[axis + 1 :]
            here = ((first,), (taken,)) if shape else ((), ())
            yield Band(start, stop, (*outer, *here[0], *(0 for _ in rest)), (*(1 for _ in outer), *here[1], *rest))
            start = stop


def _axis(shape: tuple[int, ...], chunk: tuple[int, ...], most: int) -> int:
    """Return the first axis along which a row of chunks fits, or else the first along which one index fits."""
    for extents in (chunk, (1,) * len(shape)):
        for axis in range(len(shape)):
            if prod(shape[axis + 1 :]) * extents[axis] <= most:
                return axis
    return 0


def bands_of(shape: tuple[int, ...], itemsize: int, chunk: tuple[int, ...] | None) -> Iterator[Band]:
    """Yield the bands in which to read or write a dataset; `chunk` is None if it is not chunked."""
    most = BAND_BYTES // itemsize
    if chunk is None:
        return bands(shape, (1,) * len(shape), most, 4 * most)
    return bands(shape, chunk, min(most, _MOST_CHUNKS * prod(chunk)), 4 * min(most, _MOST_CHUNKS * prod(chunk)))


class Packing(NamedTuple):
    """How the chunks of a dataset are packed."""

    chunk: tuple[int, ...]
    itemsize: int
    shuffle: bool
    level: int | None  # None: not deflated

    @property
    def nbytes(self) -> int:
        """The size of an unpacked chunk in bytes."""
        return prod(self.chunk) * self.itemsize

    def unpack(self, data: bytes | memoryview) -> Raw:
        """Return the elements of a packed chunk; raise DamagedError if it cannot be unpacked, or has the wrong size."""
        if self.level is None:
            if len(data) != self.nbytes:
                raise DamagedError("a chunk does not have the size that it should have")
            return np.frombuffer(data, np.uint8)
        stream = zlib.decompressobj()
        try:
            plain = stream.decompress(data, self.nbytes + 1)
        except zlib.error as error:
            raise DamagedError(f"a chunk cannot be unpacked: {error}") from error
        if len(plain) != self.nbytes or not stream.eof:
            raise DamagedError("a chunk does not have the size that it should have")
        raw = np.frombuffer(plain, np.uint8)
        return raw.reshape(self.itemsize, -1).T.reshape(-1) if self.shuffle else raw

    def pack(self, raw: Raw) -> bytes:
        """Pack the elements of a chunk."""
        if self.shuffle:
            raw = np.ascontiguousarray(raw.reshape(-1, self.itemsize).T)
        return raw.tobytes() if self.level is None else zlib.compress(raw.data, self.level)


def word(itemsize: int) -> str:
    """Return a numpy dtype of the given size in bytes; numpy copies integers faster than untyped bytes."""
    return f"u{itemsize}" if itemsize in (1, 2, 4, 8) else f"V{itemsize}"


def origins(band: Band, chunk: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Yield the origins of the chunks that a band overlaps."""
    return product(*(range(o - o % c, o + n, c) for o, n, c in zip(band.origin, band.count, chunk, strict=True)))


def aligned(band: Band, shape: tuple[int, ...], chunk: tuple[int, ...]) -> bool:
    """Return whether a band consists of whole chunks."""
    ends = zip(band.origin, band.count, shape, chunk, strict=True)
    return all(o % c == 0 and ((o + n) % c == 0 or o + n == s) for o, n, s, c in ends)


def parts(band: Band, origin: tuple[int, ...], chunk: tuple[int, ...]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Return the overlap of a band and the chunk at `origin`, as slices of the band and as slices of the chunk."""
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
