"""Put the sums of the units of a tensor together from its pieces, and take their norms."""

import math
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from gradclip_cli.numerics.chunks import CHUNK
from gradclip_cli.numerics.unit_layout import UnitLayout
from gradclip_cli.numerics.unit_sums import CELL, HUGE, TINY, USUAL, Floats, Part, UnitPart, add_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray


class UnitSums:
    """The sums of squares of the units of one tensor; `marks` is (units,), uint8, where any unit has NaN or infinities."""

    def __init__(self, layout: UnitLayout) -> None:
        self.layout = layout
        self.marks: NDArray[np.uint8] | None = None
        self._sums = {USUAL: np.zeros(layout.units)}
        self._blocks: dict[int, list[Part]] = {}  # of units longer than a block
        self._cell: dict[int, Floats] = {}  # squares of the cell at hand
        self._start = -1

    def add(self, found: UnitPart) -> None:
        """Add what a piece holds; pieces come in the order of their elements."""
        for mark, units in found.marks.items():
            if self.marks is None:
                self.marks = np.zeros(self.layout.units, np.uint8)
            self.marks[units] |= mark
        for part in found.parts:
            if part.units is not None:
                self._blocks.setdefault(part.scale, []).append(part)
            elif part.single:
                self._take(part)
            else:
                self._close()
                self._of(part.scale)[part.first : part.first + part.sums.size] += part.sums

    def merge(self, other: "UnitSums", first: int) -> None:
        """Add the sums of a piece in another file, whose units begin at `first` of these."""
        at = slice(first, first + other.layout.units)
        for scale, sums in other.settled().items():
            self._of(scale)[at] += sums
        if other.marks is not None:
            self.marks = np.zeros(self.layout.units, np.uint8) if self.marks is None else self.marks
            self.marks[at] |= other.marks

    def settled(self) -> dict[int, Floats]:
        """Return the sums by the scale of their elements; those of several blocks are added exactly."""
        self._close()
        for scale, parts in self._blocks.items():
            units = np.concatenate([part.units for part in parts if part.units is not None])
            values = np.concatenate([part.sums for part in parts]).tolist()
            starts = [*np.flatnonzero(np.diff(units, prepend=-1)).tolist(), len(values)]
            found = self._of(scale)
            for unit, (a, b) in zip(units[starts[:-1]].tolist(), pairwise(starts), strict=True):
                found[unit] = math.fsum(values[a:b])
        self._blocks = {}
        return self._sums

    def norms(self, scale: float = 1.0) -> Floats:
        """Return the norm of each unit's finite elements divided by the loss scale; infinite above the range of float64."""
        sums = self.settled()
        usual = sums[USUAL]
        with np.errstate(over="ignore", under="ignore"):
            found: Floats = np.sqrt(usual if TINY not in sums else usual + np.ldexp(sums[TINY], -2 * TINY)) / scale
            if TINY in sums:
                found = np.where(usual > 0, found, np.ldexp(np.sqrt(sums[TINY]) / scale, -TINY))
            if HUGE in sums:
                huge = np.ldexp(np.sqrt(sums[HUGE] + np.ldexp(usual, 2 * HUGE)) / scale, -HUGE)
                found = np.where(sums[HUGE] > 0, huge, found)
        return found

    def _of(self, scale: int) -> Floats:
        if scale not in self._sums:
            self._sums[scale] = np.zeros(self.layout.units)
        return self._sums[scale]

    def _take(self, part: Part) -> None:
        """Keep squares of a cell until it is over; those of a cell without a whole row are added one by one."""
        size, first = part.sums.size, part.first
        start = first // CELL * CELL
        stop = min(start + CELL, self.layout.size)
        if start != self._start:
            self._close()
            self._start = start
        if stop - start < self.layout.units:
            add_rows(part.sums, first, self.layout, self._of(part.scale))
            return
        if part.scale not in self._cell:
            self._cell[part.scale] = np.zeros(stop - start)
        self._cell[part.scale][first - start : first - start + size] = part.sums

    def _close(self) -> None:
        """Add the squares of the cell that was kept as those of one in a single piece are added."""
        for scale, squares in self._cell.items():
            sums = np.zeros(self.layout.units)
            for at in range(0, squares.size, CHUNK):
                add_rows(squares[at : at + CHUNK], self._start + at, self.layout, sums)
            self._of(scale)[:] += sums
        self._cell = {}
