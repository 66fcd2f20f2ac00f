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


def bands(shape: tuple[int, ...], chunk: tuple[int, ...], most: int, ceiling: int = 0) -> Iterator[Band]:
    """Yield the bands of an array, in order, of about `most` elements each and never more than `ceiling`, where that is more.

    A band is as many whole rows of chunks as fit, but at least one. Where not even one fits under the ceiling, the leading
    axes are taken one index at a time: memory stays bounded, and some chunks are read more than once.
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
    """Find the first axis along which a row of chunks fits, or else one index does."""
    for extents in (chunk, (1,) * len(shape)):
        for axis in range(len(shape)):
            if prod(shape[axis + 1 :]) * extents[axis] <= most:
                return axis
    return 0
