"""Say where the units of a tensor lie among its elements: a unit is all that one output of a layer sees."""

from collections.abc import Iterator
from math import prod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_FEW = 64
"""Rows of fewer elements are taken several at once."""


class UnitLayout(NamedTuple):
    """`units` of them in a tensor of `size` elements, as stored: each is a run of elements, or if `across` one of every `units`."""

    units: int
    size: int
    across: bool

    @classmethod
    def of(cls, shape: tuple[int, ...], *, first: bool, fortran: bool = False, piece: bool = False) -> "UnitLayout":
        """Return the layout of a tensor whose units lie along the `first` axis or the last.

        One of at most one dimension besides those of length 1 is one unit. A `piece` of a tensor has the units of its axis, since
        only the whole says whether that is so.

        >>> UnitLayout.of((4, 3), first=True), UnitLayout.of((3, 3, 1, 4), first=False)
        (UnitLayout(units=4, size=12, across=False), UnitLayout(units=4, size=36, across=True))
        """
        size = prod(shape)
        if len(shape) < 2 or not size or (not piece and sum(length > 1 for length in shape) < 2):
            return cls(1, size, False)
        count = shape[0] if first else shape[-1]
        return cls(count, size, count > 1 and first == fortran)

    @property
    def run(self) -> int:
        """The number of consecutive elements of a unit."""
        return 1 if self.across else self.size // self.units

    def unit_of(self, element: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the unit of each of some elements."""
        return element % self.units if self.across else element // self.run


class Rows(NamedTuple):
    """Consecutive elements `start` to `stop` as (rows, width), and the units they are of.

    Where units lie across, there is a unit for each column, from `first` on, again and again; else one for each row.
    """

    start: int
    stop: int
    width: int
    first: int


def rows_of(layout: UnitLayout, start: int, count: int) -> Iterator[Rows]:
    """Cut `count` elements from `start` on, in order, into a rest, whole rows, and a rest.

    >>> [tuple(rows) for rows in rows_of(UnitLayout(4, 12, False), 2, 8)]
    [(0, 1, 1, 0), (1, 7, 3, 1), (7, 8, 1, 3)]
    """
    width = layout.units if layout.across else layout.run
    head = min(count, -start % width)
    whole = head + (count - head) // width * width
    for begin, end in ((0, head), (head, whole), (whole, count)):
        if begin < end:
            first = (start + begin) % width if layout.across else (start + begin) // width
            yield Rows(begin, end, width if (begin, end) == (head, whole) else end - begin, first)


def together(width: int) -> int:
    """Return how many rows of this width are worth being taken as one."""
    return max(1, _FEW // width)
