"""Look up where the chunks of a dataset lie; a table is checked first, since a damaged index says anything."""

from array import array
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]
FIELDS = 4
"""What a row says: the number of the chunk in C order, where it lies, its size in bytes, the filters left out for it."""


class DamagedError(ValueError):
    """The elements of a dataset are not stored as they should be; says how."""


class ChunkTable:
    """The chunks of a dataset that were ever written; `extents` says of each where in the file it lies, and its size."""

    def __init__(self, rows: Rows, counts: tuple[int, ...], chunk: tuple[int, ...], file_size: int) -> None:
        self._counts, self._chunk = counts, chunk
        rows = rows[np.argsort(rows[:, 1], kind="stable")]
        starts, sizes = rows[:, 1], rows[:, 2]
        ends = np.append(starts[1:], file_size)
        if (sizes <= 0).any() or (starts < 0).any() or (sizes > ends - starts).any():
            raise DamagedError("its chunks overlap, or reach past the end of the file")
        self.extents = rows[:, 1:3].copy()
        self._found = rows[np.argsort(rows[:, 0], kind="stable")]
        if (self._found[1:, 0] == self._found[:-1, 0]).any():
            raise DamagedError("two of its chunks are at one place")

    def find(self, origin: tuple[int, ...]) -> tuple[int, int, int] | None:
        """Return where a chunk lies, its size, and the filters left out for it; None where it was never written."""
        number = number_of(origin, self._counts, self._chunk)
        k = int(np.searchsorted(self._found[:, 0], number))
        if k == len(self._found) or self._found[k, 0] != number:
            return None
        offset, size, mask = self._found[k, 1:].tolist()
        return offset, size, mask


def listed(dataset: Any, counts: tuple[int, ...], chunk: tuple[int, ...], places: bool) -> Rows:
    """List the chunks of h5py's `dataset`; raise DamagedError where there are more than can be, or one is where none can be.

    Without `places`, what the library says of where chunks are is not right, and they are numbered as they come.
    """
    rows = array("q")
    shape, most = tuple(dataset.shape), prod(counts)

    def take(info: Any) -> bool | None:
        amiss = places and any(at >= n or at % c for at, n, c in zip(info.chunk_offset, shape, chunk, strict=True))
        if amiss or len(rows) >= FIELDS * most:
            return True
        number = number_of(info.chunk_offset, counts, chunk) if places else len(rows)
        rows.extend((number, info.byte_offset, info.size, info.filter_mask))
        return None

    if chunk and most and dataset.chunk_iter(take):
        raise DamagedError("its chunks are not those of its shape")
    return np.frombuffer(rows, np.int64).reshape(-1, FIELDS)


def number_of(origin: Sequence[int], counts: tuple[int, ...], chunk: tuple[int, ...]) -> int:
    """Return the number of a chunk in C order."""
    number = 0
    for at, c, count in zip(origin, chunk, counts, strict=True):
        number = number * count + at // c
    return number


def counts_of(shape: tuple[int, ...], chunk: tuple[int, ...]) -> tuple[int, ...]:
    """Return how many chunks there are along each axis."""
    return tuple(-(-n // c) for n, c in zip(shape, chunk, strict=True))
