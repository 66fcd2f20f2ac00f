"""Where the chunks of a dataset lie: listed once and checked, since HDF5 looks past the end of an index that is damaged."""

from array import array
from math import prod
from typing import Any

import numpy as np
from h5py import h5d, h5f, h5p, h5s, h5z

_FIELDS = 4


class Table:
    """The chunks of a dataset that were ever written; `extents` says of each where in the file it lies, and its size."""

    def __init__(self, dataset: Any, file_size: int) -> None:
        self._shape, self._chunk = tuple(dataset.shape), dataset.get_create_plist().get_chunk()
        self._counts = tuple(-(-n // c) for n, c in zip(self._shape, self._chunk, strict=True))
        self.tells_places = tells_places(dataset)
        self._rows = array("q")
        if prod(self._counts) and dataset.chunk_iter(self._take):
            raise ValueError("its chunks are not those of its shape")
        rows = np.frombuffer(self._rows, np.int64).reshape(-1, _FIELDS)
        rows = rows[np.argsort(rows[:, 1], kind="stable")]
        starts, sizes = rows[:, 1], rows[:, 2]
        ends = np.append(starts[1:], file_size)
        if (sizes <= 0).any() or (starts < 0).any() or (sizes > ends - starts).any():
            raise ValueError("its chunks overlap, or reach past the end of the file")
        self.extents = rows[:, 1:3].copy()
        self._found = rows[np.argsort(rows[:, 0], kind="stable")]
        if (self._found[1:, 0] == self._found[:-1, 0]).any():
            raise ValueError("two of its chunks are at one place")

    def find(self, origin: tuple[int, ...]) -> tuple[int, int, int] | None:
        """Return where a chunk lies, its size, and the filters left out for it; None where it was never written."""
        number = self._number(origin)
        k = int(np.searchsorted(self._found[:, 0], number))
        if k == len(self._found) or self._found[k, 0] != number:
            return None
        offset, size, mask = self._found[k, 1:].tolist()
        return offset, size, mask

    def _take(self, info: Any) -> bool | None:
        """Take note of a chunk; end the listing where there are more than can be, or one is where none can be."""
        places = zip(info.chunk_offset, self._shape, self._chunk, strict=True)
        amiss = self.tells_places and any(at >= n or at % c for at, n, c in places)
        if amiss or len(self._rows) >= _FIELDS * prod(self._counts):
            return True
        number = self._number(info.chunk_offset) if self.tells_places else len(self._rows)
        self._rows.extend((number, info.byte_offset, info.size, info.filter_mask))
        return None

    def _number(self, origin: tuple[int, ...]) -> int:
        number = 0
        for at, c, count in zip(origin, self._chunk, self._counts, strict=True):
            number = number * count + at // c
        return number


def tells_places(dataset: Any) -> bool:
    """Whether a listing of chunks says where in the dataset they are.

    HDF5 mistakes the places where there is one axis without a limit and it is not the first: those of an extensible array.
    """
    limits = dataset.get_space().get_simple_extent_dims(True)
    return bool(limits.count(h5s.UNLIMITED) != 1 or limits[0] == h5s.UNLIMITED)


def filling(dataset: Any) -> bytes:
    """Return the element, as it is stored, that stands for all that were never written."""
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
