"""Cut an array into bands: boxes that are contiguous in C order, so that what is chunked can be read from first to last."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import prod


@dataclass(frozen=True, slots=True)
class Band:
    """Elements `start` to `stop` in C order, which are the box at `origin` with extents `count`."""

    start: int
    stop: int
    origin: tuple[int, ...]
    count: tuple[int, ...]


def bands(shape: tuple[int, ...], chunk: tuple[int, ...], most: int) -> Iterator[Band]:
    """Yield the bands of an array, in order; of at most `most` elements where one row of chunks is not larger.

    A band is as many whole rows of chunks as fit. Where not even one fits, the leading axes are taken one index at a time,
    so that memory stays bounded and some chunks are read more than once.
    """
    if not prod(shape):
        return
    axis = _axis(shape, chunk, most)
    inner = prod(shape[axis + 1 :]) if shape else 1
    length = shape[axis] if shape else 1
    unit = chunk[axis] if chunk else 1
    rows = unit * max(1, most // (unit * inner)) if unit * inner <= most else max(1, most // inner)
    start = 0
    for outer in product(*(range(size) for size in shape[:axis])):
        for first in range(0, length, rows):
            taken = min(rows, length - first)
            stop = start + taken * inner
            middle = ((first,), (taken,)) if shape else ((), ())
            rest = shape[axis + 1 :]
            yield Band(start, stop, (*outer, *middle[0], *(0 for _ in rest)), (*(1 for _ in outer), *middle[1], *rest))
            start = stop


def _axis(shape: tuple[int, ...], chunk: tuple[int, ...], most: int) -> int:
    """Find the first axis along which a row of chunks fits, or else one index does."""
    for axis in range(len(shape)):
        if prod(shape[axis + 1 :]) * chunk[axis] <= most:
            return axis
    for axis in range(len(shape)):
        if prod(shape[axis + 1 :]) <= most:
            return axis
    return max(0, len(shape) - 1)
