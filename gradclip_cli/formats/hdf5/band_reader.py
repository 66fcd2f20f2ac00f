"""Read a dataset that is not contiguous in the file from first element to last, a band at a time."""

from collections import deque
from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np

from gradclip_cli.formats.hdf5.chunk_table import ChunkTable, counts_of
from gradclip_cli.formats.hdf5.chunks import Band, Packing, aligned, bands_of, origins, parts, word
from gradclip_cli.formats.hdf5.walker import ChunkLayout, Dataset, Walker
from gradclip_cli.numerics.dtypes import Raw

_BANDS_AHEAD = 4
"""The bands of a remote dataset, of 4 MiB or so when they are unpacked, that are fetched before they are needed."""


class BandReader:
    """Read a dataset a band at a time: deflated chunks are read and inflated here, all others by the child."""

    def __init__(self, dataset: Dataset, walker: Walker, layout: ChunkLayout | None) -> None:
        self._dataset, self._walker, self._itemsize = dataset, walker, dataset.itemsize
        self._packing: Packing | None = None
        self.table: ChunkTable | None = None
        if layout is not None:
            self._packing, self.table = layout.packing, table_of(dataset, layout, walker.file.size)
        self._filling, self._asked = b"", False
        self._bands: Iterator[Band] = bands_of(dataset.shape, self._itemsize, dataset.chunk)
        self._held: Raw = np.empty(0, np.uint8)
        self._coming = deque[Band]()
        self._ahead = _BANDS_AHEAD if walker.file.fd is None else 1
        self._look_ahead()

    def read_into(self, out: Raw) -> None:
        """Fill `out` with the next elements, as they are stored."""
        done = 0
        while done < out.size:
            if not self._held.size:
                if not self._coming:
                    raise ValueError("more elements are asked for than the dataset has")
                band = self._coming.popleft()
                self._look_ahead()
                self._held = self._load(band)
            part = self._held[: out.size - done]
            out[done : done + part.size] = part
            self._held = self._held[part.size :]
            done += part.size

    def close(self) -> None:
        """Let the child release the dataset, if it was asked for any of it."""
        if self._asked:
            self._walker.leave(self._dataset.name)

    def _look_ahead(self) -> None:
        while len(self._coming) < self._ahead and (band := next(self._bands, None)) is not None:
            self._coming.append(band)
            self._expect(band)

    def _expect(self, band: Band) -> None:
        """Tell a remote file which chunks are read in a moment."""
        packing, table, file = self._packing, self.table, self._walker.file
        if packing is None or table is None or file.fd is not None:
            return
        found = (table.find(origin) for origin in origins(band, packing.chunk))
        file.expect([(offset, size) for offset, size, mask in filter(None, found) if not mask], more=True)

    def _load(self, band: Band) -> Raw:
        packing, table = self._packing, self.table
        if packing is None or table is None or not aligned(band, self._dataset.shape, packing.chunk):
            return self._unpacked(band)
        held = np.empty(band.count, word(self._itemsize))
        for origin in origins(band, packing.chunk):
            inside, used = parts(band, origin, packing.chunk)
            held[inside] = self._values(packing, table.find(origin), origin, used)
        return held.reshape(-1).view(np.uint8)

    def _values(
        self, packing: Packing, found: tuple[int, int, int] | None, origin: tuple[int, ...], used: tuple[slice, ...]
    ) -> Any:
        """Return the elements `used` of a chunk, or the fill value if the chunk was never written."""
        if found is None:
            self._asked = True
            self._filling = self._filling or self._walker.filling(self._dataset.name)
            return np.frombuffer(self._filling, word(self._itemsize))[0]
        offset, size, mask = found
        if not mask:
            raw = packing.unpack(self._walker.file.read(offset, size))
            return raw.view(word(self._itemsize)).reshape(packing.chunk)[used]
        count = tuple(part.stop - part.start for part in used)  # `used` starts at the origin, since the band is aligned
        return self._unpacked(Band(0, prod(count), origin, count)).view(word(self._itemsize)).reshape(count)

    def _unpacked(self, band: Band) -> Raw:
        self._asked = True
        return self._walker.read(self._dataset, band)


def table_of(dataset: Dataset, layout: ChunkLayout, file_size: int) -> ChunkTable:
    """Return the chunks of a dataset, which must have some shape of chunk; raise DamagedError if they cannot be right."""
    chunk = dataset.chunk or ()
    return ChunkTable(layout.rows, counts_of(dataset.shape, chunk), chunk, file_size)
