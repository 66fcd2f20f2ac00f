"""Bands cut a dataset along its chunks."""

from itertools import pairwise
from math import prod

import numpy as np
import pytest

from gradclip_cli.formats.hdf5.chunks import bands

SHAPES: list[tuple[int, ...]] = [(), (1,), (100,), (10, 8), (3, 4, 5), (2, 1, 7, 3)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("most", [1, 7, 30, 1000])
@pytest.mark.parametrize("unit", [1, 2, 4])
def test_bands_cover_an_array_in_order(shape: tuple[int, ...], most: int, unit: int) -> None:
    """Bands follow each other in C order; each is the box that it says, and holds as many elements as memory allows."""
    index = np.arange(prod(shape)).reshape(shape)
    found = list(bands(shape, tuple(min(unit, size) for size in shape), most))
    assert found[0].start == 0
    assert found[-1].stop == index.size
    assert all(a.stop == b.start for a, b in pairwise(found))
    for band in found:
        box = index[tuple(slice(o, o + c) for o, c in zip(band.origin, band.count, strict=True))]
        assert box.ravel().tolist() == list(range(band.start, band.stop))
        assert box.size <= max(most, 1)


@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 5)])
def test_an_empty_array_has_no_bands(shape: tuple[int, ...]) -> None:
    """Where there are no elements there is nothing to read."""
    assert list(bands(shape, (1,) * len(shape), 10)) == []


def test_bands_are_whole_rows_of_chunks() -> None:
    """Where a row of chunks fits, a band begins at the edge of a chunk, so that none is read twice."""
    assert [band.origin for band in bands((10, 8), (3, 5), 60)] == [(0, 0), (6, 0)]
