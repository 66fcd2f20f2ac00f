"""Chunks are found at their origins, and those that cannot be are refused."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gradclip_cli.formats.hdf5.chunk_table import ChunkTable, counts_of, listed


class FakeDataset:
    """A dataset of 4 by 6 in chunks of 2 by 3, with chunks where a test says."""

    shape = (4, 6)

    def __init__(self, *chunks: tuple[tuple[int, int], int, int]) -> None:
        self._chunks = chunks

    def chunk_iter(self, take: Callable[[Any], bool | None]) -> bool | None:
        """Tell of one chunk after the other, as h5py does."""
        for origin, offset, size in self._chunks:
            if take(SimpleNamespace(chunk_offset=origin, byte_offset=offset, size=size, filter_mask=0)):
                return True
        return None


def table(dataset: FakeDataset) -> ChunkTable:
    """List the chunks of a dataset in a file of 1,000 bytes."""
    counts = counts_of(dataset.shape, (2, 3))
    return ChunkTable(listed(dataset, dataset.shape, counts, (2, 3), True), counts, (2, 3), 1000)


def test_chunks_are_found() -> None:
    """A chunk is found at its origin; one that was never written is not."""
    found = table(FakeDataset(((2, 3), 100, 24), ((0, 0), 50, 24)))
    assert found.find((2, 3)) == (100, 24, 0)
    assert found.find((0, 0)) == (50, 24, 0)
    assert found.find((0, 3)) is None


@pytest.mark.parametrize(
    "chunks",
    [
        [((4, 0), 0, 24)],
        [((0, 6), 0, 24)],
        [((1, 0), 0, 24)],
        [((0, 0), 0, 24), ((0, 3), 20, 24)],
        [((0, 0), 990, 24)],
        [((0, 0), -8, 24)],
        [((0, 0), 1 << 63, 24)],
        [((0, 0), 0, 1 << 63)],
        [((0, 0), 0, 0)],
        [((0, 0), 0, 24), ((0, 0), 50, 24)],
        [((0, 0), 30 * k, 24) for k in range(5)],
    ],
    ids=[
        "below",
        "beside",
        "between",
        "overlapping",
        "past the end",
        "before",
        "too far",
        "too large",
        "empty",
        "twice",
        "too many",
    ],
)
def test_chunks_that_cannot_be(chunks: list[tuple[tuple[int, int], int, int]]) -> None:
    """Chunks outside the shape, on top of each other, past the end of the file or twice are an error."""
    with pytest.raises(ValueError, match="chunks"):
        table(FakeDataset(*chunks))


def test_chunks_that_a_filter_packed() -> None:
    """A chunk says by a bit that it has skipped a filter; a dataset without chunks is packed by none."""
    first, second = [0, 50, 24, 0b01], [1, 100, 24, 0b11]
    rows = np.array([first, second])
    found = ChunkTable(rows, (2, 2), (2, 3), 1000)
    assert [found.is_packed_by(place) for place in range(3)] == [False, True, True]
    assert not ChunkTable(rows[:0], (2, 2), (2, 3), 1000).is_packed_by(0)
