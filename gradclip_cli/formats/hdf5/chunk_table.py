"""Look up where the chunks of a dataset lie; check the table first, since a damaged index can claim anything."""

from array import array
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]
Extents = NDArray[np.int64]
"""Offsets and sizes in bytes of chunks, of shape (chunks, 2)."""
FIELDS = 4
"""The columns of a row: the number of the chunk in C order, its offset and size in bytes, the mask of skipped filters."""
_BEYOND = 1 << 63
"""No file reaches so far."""


class DamagedError(ValueError):
    """The elements of a dataset are not stored as they should be; the message says how."""


class ChunkTable:
    """The chunks of a dataset that were written; `extents` (chunks, 2) holds their offsets and sizes in bytes."""

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
        """Return the offset, size and filter mask of the chunk at `origin`; None if it was never written."""
        number = number_of(origin, self._counts, self._chunk)
        k = int(np.searchsorted(self._found[:, 0], number))
        if k == len(self._found) or self._found[k, 0] != number:
            return None
        offset, size, mask = self._found[k, 1:].tolist()
        return offset, size, mask

    def is_packed_by(self, place: int) -> bool:
        """Return whether any chunk is packed by the filter at a place in the pipeline: each chunk may have skipped it."""
        return bool((self._found[:, 3] & (1 << place) == 0).any())


def listed(dataset: Any, shape: tuple[int, ...], counts: tuple[int, ...], chunk: tuple[int, ...], places: bool) -> Rows:
    """List the chunks of h5py's `dataset` of this shape; raise DamagedError if there are too many, or if one is at an impossible place.

    Without `places`, the library reports wrong places, and chunks are numbered in the order in which it lists them.
    """
    rows = array("q")
    most = prod(counts)

    def take(info: Any) -> bool | None:
        amiss = places and any(at >= n or at % c for at, n, c in zip(info.chunk_offset, shape, chunk, strict=True))
        if amiss or len(rows) >= FIELDS * most or max(info.byte_offset, info.size) >= _BEYOND:
            return True
        number = number_of(info.chunk_offset, counts, chunk) if places else len(rows)
        rows.extend((number, info.byte_offset, info.size, info.filter_mask))
        return None

    if chunk and most and dataset.chunk_iter(take):
        raise DamagedError("its chunks are not those of its shape")
    return np.frombuffer(rows, np.int64).reshape(-1, FIELDS)


def first_overlapping(places: Mapping[str, Extents]) -> str | None:
    """Return the name of what lies on a part of something else, the first in the file; None if nothing does."""
    rows = np.concatenate(list(places.values()))
    order = np.argsort(rows[:, 0], kind="stable")
    starts, ends = rows[order, 0], rows[order].sum(axis=1)
    shared = np.flatnonzero(starts[1:] < ends[:-1])
    if not shared.size:
        return None
    owners = np.repeat(np.arange(len(places)), [len(extents) for extents in places.values()])
    return list(places)[int(owners[order[shared[0] + 1]])]


def number_of(origin: Sequence[int], counts: tuple[int, ...], chunk: tuple[int, ...]) -> int:
    """Return the number in C order of the chunk at `origin`."""
    number = 0
    for at, c, count in zip(origin, chunk, counts, strict=True):
        number = number * count + at // c
    return number


def counts_of(shape: tuple[int, ...], chunk: tuple[int, ...]) -> tuple[int, ...]:
    """Return the number of chunks along each axis."""
    return tuple(-(-n // c) for n, c in zip(shape, chunk, strict=True))
