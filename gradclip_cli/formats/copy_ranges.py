"""Compute the byte ranges that a copy takes from its source unchanged."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from gradclip_cli.spec_table import SpecTable
from gradclip_cli.tensors import TensorSpec


class Copy(NamedTuple):
    """A range of `nbytes` bytes, with its offsets in the input and in the output."""

    source: int
    target: int
    nbytes: int


def unchanged_ranges(size: int, changed: Sequence[TensorSpec]) -> list[Copy]:
    """Return the byte ranges of a file of `size` bytes that hold no elements of changed tensors."""
    if isinstance(changed, SpecTable):
        return _between(size, changed)
    spans = sorted(
        (spec.offset, spec.offset + spec.nbytes) for spec in changed if spec.offset is not None and spec.size
    )
    edges = [(0, 0), *spans, (size, size)]
    return [Copy(end, end, start - end) for (_, end), (start, _) in pairwise(edges) if start > end]


def _between(size: int, changed: SpecTable) -> list[Copy]:
    """Return the ranges between the tensors of a table, of which there may be a million."""
    begins, nbytes = changed.columns.offsets, changed.nbytes
    order = np.argsort(begins[nbytes > 0], kind="stable")
    starts, ends = begins[nbytes > 0][order], (begins + nbytes)[nbytes > 0][order]
    starts, ends = np.append(starts, size), np.insert(ends, 0, 0)
    gaps = np.flatnonzero(starts > ends)
    return [Copy(end, end, start - end) for start, end in zip(starts[gaps].tolist(), ends[gaps].tolist(), strict=True)]


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
