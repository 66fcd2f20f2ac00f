"""Compute the byte ranges that a copy takes from its source unchanged."""

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

from gradclip_cli.tensors import TensorSpec


class Copy(NamedTuple):
    """A range of `nbytes` bytes, with its offsets in the input and in the output."""

    source: int
    target: int
    nbytes: int


def unchanged_ranges(size: int, changed: Iterable[TensorSpec]) -> list[Copy]:
    """Return the byte ranges of a file of `size` bytes that hold no elements of changed tensors."""
    spans = sorted(
        (spec.offset, spec.offset + spec.nbytes) for spec in changed if spec.offset is not None and spec.size
    )
    edges = [(0, 0), *spans, (size, size)]
    return [Copy(end, end, start - end) for (_, end), (start, _) in pairwise(edges) if start > end]


def subtract_ranges(copies: Iterable[Copy], written: Iterable[tuple[int, int]]) -> Iterator[Copy]:
    """Yield what is left to copy when the byte ranges `written` (start, stop) of the output are already there.

    `copies` ascend by target and do not overlap. Takes O(n log n) for n ranges.

    >>> list(subtract_ranges([Copy(0, 0, 10)], [(6, 8), (2, 6)]))
    [Copy(source=0, target=0, nbytes=2), Copy(source=8, target=8, nbytes=2)]
    """
    holes = sorted(written)
    first = 0
    for copy in copies:
        start, stop = copy.target, copy.target + copy.nbytes
        while first < len(holes) and holes[first][1] <= start:  # it ends before this copy, and before all later ones
            first += 1
        for hole in range(first, len(holes)):
            begin, end = holes[hole]
            if begin >= stop:
                break
            if begin > start:
                yield _part(copy, start, begin)
            start = max(start, end)
        if start < stop:
            yield _part(copy, start, stop)


def _part(copy: Copy, start: int, stop: int) -> Copy:
    """Return the part of a copy between two offsets in the output."""
    return Copy(start - copy.target + copy.source, start, stop - start)
