"""Read small datasets that are not contiguous, many at a time."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.formats.hdf5 import filters
from gradclip_cli.formats.hdf5.band_reader import table_of
from gradclip_cli.formats.hdf5.chunk_table import Extents
from gradclip_cli.formats.hdf5.walker import ChunkLayout, Dataset, Walker
from gradclip_cli.numerics.dtypes import Raw

if TYPE_CHECKING:
    from gradclip_cli.formats.hdf5.chunks import Packing

MOST_DATASETS = 1024
"""The most datasets to read at once."""
_GAP, _MOST_READ = 8 << 10, 4 << 20
"""What lies between two chunks that are read in one go, and how much is: to read 8 kB more costs less than another call."""


class SmallDatasets:
    """The bytes of those of some datasets that are stored in a simple way: read here, or for all of them by the child at once.

    Simple is a single chunk, packed by deflate or not at all, of the shape of the dataset, or what only the library unpacks by
    its own filters.
    """

    def __init__(self, datasets: Sequence[Dataset], layouts: Mapping[str, ChunkLayout], walker: Walker) -> None:
        self._layouts, self._walker = layouts, walker
        self._packed: dict[str, tuple[Packing, memoryview, Extents]] = {}
        self._unpacked: dict[str, Raw] = {}
        self._read_single([dataset for dataset in datasets if self._is_single(dataset)])
        self._ask_library([dataset for dataset in datasets if self._is_foreign(dataset)])

    def read_into(self, dataset: Dataset, out: Raw) -> Extents | None:
        """Fill `out` with the elements of a dataset and return where its chunks are; None if it is to be read by itself.

        Raises DamagedError if they cannot be what it says.
        """
        if (single := self._packed.pop(dataset.name, None)) is not None:
            packing, data, extents = single
            out[:] = packing.unpack(data)
            return extents
        if (raw := self._unpacked.pop(dataset.name, None)) is None:
            return None
        out[:] = raw
        if dataset.chunk is None:
            return np.empty((0, 2), np.int64)
        return table_of(dataset, self._layouts[dataset.name], self._walker.file.size).extents

    def _is_single(self, dataset: Dataset) -> bool:
        layout = self._layouts.get(dataset.name)
        if layout is None or layout.packing is None or len(layout.rows) != 1:
            return False
        return layout.packing.chunk == dataset.shape and layout.packing.itemsize == dataset.itemsize

    def _is_foreign(self, dataset: Dataset) -> bool:
        """Return whether only the library can read a dataset, with none but its own filters."""
        if dataset.chunk is None:
            return True
        layout = self._layouts.get(dataset.name)
        return layout is not None and layout.packing is None and all(map(filters.is_own, dataset.filters))

    def _read_single(self, datasets: Sequence[Dataset]) -> None:
        """Read the packed bytes of datasets of one chunk, unless there is something odd about it."""
        if not datasets:
            return
        layouts = [self._layouts[dataset.name] for dataset in datasets]
        rows = np.concatenate([layout.rows for layout in layouts])
        number, starts, sizes, masks = rows.T
        most = np.array([2 * layout.packing.nbytes + 1024 for layout in layouts if layout.packing is not None])
        plain = (number == 0) & (masks == 0) & (sizes > 0) & (sizes <= most) & (starts >= 0)
        plain &= starts <= self._walker.file.size - sizes
        order = np.flatnonzero(plain)[np.argsort(starts[plain], kind="stable")]
        extents = rows[:, 1:3].copy()
        for k, data in zip(order.tolist(), self._spans(starts[order], sizes[order]), strict=True):
            if (packing := layouts[k].packing) is not None:
                self._packed[datasets[k].name] = packing, data, extents[k : k + 1]

    def _spans(self, starts: NDArray[np.int64], sizes: NDArray[np.int64]) -> Iterator[memoryview]:
        """Yield the bytes at ascending places; what lies close together is read in one go."""
        ends = starts + sizes
        first, begin = 0, [0]
        for k in range(1, len(starts)):
            if starts[k] > ends[k - 1] + _GAP or ends[k] - starts[first] > _MOST_READ:
                first = k
                begin.append(k)
        for first, last in pairwise([*begin, len(starts)]):
            start = int(starts[first])
            data = memoryview(self._walker.file.read(start, int(ends[first:last].max(initial=start)) - start))
            for at, size in zip((starts[first:last] - start).tolist(), sizes[first:last].tolist(), strict=True):
                yield data[at : at + size]

    def _ask_library(self, datasets: Sequence[Dataset]) -> None:
        """Have the child read what only the library can; if it cannot, each is to be read by itself."""
        while datasets and (found := self._walker.elements(datasets)):
            self._unpacked |= {dataset.name: raw for dataset, raw in zip(datasets, found, strict=False)}
            datasets = datasets[len(found) :]
