"""Pool a map of norms to as many rows and columns as a screen shows, by what stands out most, so that nothing is lost.

A cell is a whole number, 100 · log10 of a ratio; three others say that a norm is not finite, 0, or absent. They are ordered such
that the larger one of two cells is the one to see: absent < 0 < small < large < not finite.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.thresholds import levels

MOST_COLUMNS = 320
"""Columns of a map at most."""

FEWER_COLUMNS = 160
"""Columns of a map in a file of its own, in which each cell is a path."""

ABSENT, ZERO, NONFINITE = -99_999, -99_998, 99_999
"""Cells without a ratio, which is less than 70,000 either way for any two float64."""

_DIGITS = np.frombuffer(b"0123456789abcdefghijklmnopqrstuvwxyz", np.uint8)

Cells = NDArray[np.int32]
Norms = NDArray[np.float64]


class Pooled(NamedTuple):
    """A map of fewer cells (rows × columns): the largest cell, which of the layers of its row has it, and whether one is 0.

    A layer counts as 0 in a column where it is 0 at all steps of it that have it.
    """

    cells: Cells
    which: NDArray[np.intp]
    any_zero: NDArray[np.bool_]


def starts_of(count: int, most: int = MOST_COLUMNS) -> list[int]:
    """Cut a count into at most `most` parts of one size, the last of which may be smaller; return where each begins.

    >>> starts_of(7, 3), starts_of(2, 3)
    ([0, 3, 6], [0, 1])
    """
    return list(range(0, count, max(1, -(-count // most))))


def medians(norms: Norms) -> Norms:
    """Return the median of the finite norms above 0 of each row; NaN where a row has none."""
    return levels.medians(np.where((norms > 0) & np.isfinite(norms), norms, np.nan).T)


def cells_of(norms: Norms, present: NDArray[np.bool_], usual: Norms) -> Cells:
    """Return the cells of norms, layers × steps, each as a ratio to what is usual in its row."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.log10(norms)
        ratios -= np.log10(usual)[:, None]
        ratios *= 100
        cells = np.rint(ratios, out=ratios)
    cells[~np.isfinite(norms)] = NONFINITE
    cells[norms == 0] = ZERO
    cells[~present] = ABSENT
    return cells.astype(np.int32)


def pooled(cells: Cells, rows: Sequence[int], columns: Sequence[int]) -> Pooled:
    """Pool cells, whose rows and columns begin at these places, by the largest."""
    by_layer = np.maximum.reduceat(cells, columns, axis=1)
    return _of_rows(by_layer, by_layer, rows)


def pooled_ratios(cells: Cells, rows: Sequence[int], columns: Sequence[int]) -> Pooled:
    """Pool cells by the one that is farthest from 0, either way; what is not finite comes first, what is absent last."""
    high = np.maximum.reduceat(cells, columns, axis=1)
    low = np.minimum.reduceat(np.where(cells == ABSENT, NONFINITE, cells), columns, axis=1)
    by_layer = np.where((high == NONFINITE) | (low == NONFINITE) | (high >= -low), high, low)
    ranks = np.where(by_layer == ABSENT, -1, np.abs(by_layer))
    return _of_rows(by_layer, ranks, rows)


def _of_rows(by_layer: Cells, ranks: Cells, rows: Sequence[int]) -> Pooled:
    """Take the layer of the highest rank in each row and column."""
    ends = [*rows[1:], len(by_layer)]
    which = np.stack([ranks[a:b].argmax(axis=0) for a, b in zip(rows, ends, strict=True)])
    cells = np.take_along_axis(by_layer, which + np.array(rows)[:, None], axis=0)
    return Pooled(cells, which, np.logical_or.reduceat(by_layer == ZERO, rows, axis=0))


class Written(NamedTuple):
    """Whole numbers as one text a row, each in `width` digits of base 36: a third of the room of a list."""

    rows: list[str]
    width: int

    @classmethod
    def of(cls, numbers: NDArray[np.integer[Any]]) -> "Written":
        """Write numbers of at least 0 (rows × columns)."""
        width = len(np.base_repr(int(numbers.max(initial=0)), 36))
        digits = _DIGITS[numbers[..., None] // 36 ** np.arange(width)[::-1] % 36]
        return cls([row.tobytes().decode("ascii") for row in digits], width)

    def number(self, field: str) -> str:
        """Return the expression of the number of column `datum.k`, counted from 1, in a field that holds the text of a row."""
        return f"parseInt(substring(datum.{field}, {self.width} * (datum.k - 1), {self.width} * datum.k), 36)"


def least_of(cells: Cells) -> int:
    """Return the smallest cell that is a ratio, 0 if none is."""
    known = cells[np.abs(cells) < -ZERO]
    return int(known.min()) if known.size else 0


def written_cells(cells: Cells) -> Written:
    """Write cells: what is absent as 0, what is 0 as 1, what is not finite as 2, and a ratio as 3 or more from the least on."""
    codes = cells.astype(np.int64) - least_of(cells) + 3
    for code, kind in enumerate((ABSENT, ZERO, NONFINITE)):
        codes[cells == kind] = code
    return Written.of(codes)
