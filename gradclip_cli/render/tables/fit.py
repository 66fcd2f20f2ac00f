"""Choose the columns of a table that fit on a terminal, and their widths in cells."""

from collections.abc import Callable, Sequence

from gradclip_cli.render.tables.grid import Column, Grid
from gradclip_cli.render.tables.plain import cells

_NAME, _TEXT = 31, 12
"""The least width of the first column of text, if there is room, and of other columns of text, in cells."""

MARGIN = 2
"""The number of blanks after each column."""

Precedence = Callable[[Column], tuple[bool, int]]
Needed = Callable[[Sequence[int]], int]


def fitting(columns: Sequence[Column], width: int, needed: Needed, precedence: Precedence) -> list[int]:
    """Leave out columns until the others need at most `width`; return the indices of the columns that stay.

    Columns of the highest precedence go first, all of the same precedence at once. Columns of the lowest, (False, 0), stay.
    """
    kept = list(range(len(columns)))
    for key in sorted(set(map(precedence, columns)), reverse=True):
        fewer = [k for k in kept if precedence(columns[k]) != key]
        if not fewer or needed(kept) <= width or key == (False, 0):
            break
        kept = fewer
    return kept


def widths(grid: Grid, width: int) -> dict[int, int]:
    """Return the width of each column that stays: its least width, and a share of the cells that are left.

    The narrowest column that is still folded gets the next cell. Rich would give text more than its least width, and cut
    figures instead.
    """
    kept = fitting(grid.columns, width, lambda kept: _needed(grid, kept, _NAME), lambda column: (False, column.rank))
    name = _NAME if _needed(grid, kept, _NAME) <= width else _TEXT
    found = {k: _least(grid, k, name) for k in kept}
    widest = {k: _widest(grid, k) for k in kept}
    for _ in range(width - _needed(grid, kept, name)):
        folded = [k for k in kept if found[k] < widest[k]]
        if not folded:
            break
        found[min(folded, key=found.__getitem__)] += 1
    return found


def _needed(grid: Grid, kept: Sequence[int], name: int) -> int:
    """Return the least width of the given columns with margins, if the first column of text gets `name` cells."""
    return sum(_least(grid, k, name) + MARGIN for k in kept)


def _least(grid: Grid, k: int, name: int) -> int:
    """Return the least width of a column: all of its figures, or enough of its texts to read them."""
    first = next((i for i, column in enumerate(grid.columns) if column.text), k)
    if not grid.columns[k].text:
        return _widest(grid, k)
    return min(_widest(grid, k), name if k == first else _TEXT)


def _widest(grid: Grid, k: int) -> int:
    """Return the width of a column without folding."""
    texts = [grid.columns[k].heading, *(row[k] for row in grid.rows)]
    texts += [grid.total[k]] if grid.total is not None else []
    return max(cells(line) for text in texts for line in text.split("\n"))
