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
    widest = _widest(grid)
    first = next((k for k, column in enumerate(grid.columns) if column.text), -1)
    whole = {k for k, column in enumerate(grid.columns) if k != first and not _is_folded(grid, k, column)}

    def least(k: int, name: int) -> int:
        """Return the least width of a column: all of its figures, or enough of its texts to read them."""
        return min(widest[k], name if k == first else _TEXT) if k not in whole else widest[k]

    def needed(kept: Sequence[int], name: int = _NAME) -> int:
        """Return the least width of the given columns with margins, if the first column of text gets `name` cells."""
        return sum(least(k, name) + MARGIN for k in kept)

    kept = fitting(grid.columns, width, needed, lambda column: (False, column.rank))
    name = _NAME if needed(kept) <= width else _TEXT
    found = {k: least(k, name) for k in kept}
    for _ in range(width - needed(kept, name)):
        folded = [k for k in kept if found[k] < widest[k]]
        if not folded:
            break
        found[min(folded, key=found.__getitem__)] += 1
    return found


def _is_folded(grid: Grid, k: int, column: Column) -> bool:
    """Return whether a column may be folded: one of sentences, or of names that cannot be left out."""
    return column.text and (not column.rank or any(" " in row[k] for row in grid.rows))


def _widest(grid: Grid) -> list[int]:
    """Return the width of each column without folding."""
    found = [max(map(cells, column.heading.split("\n"))) for column in grid.columns]
    for row in (*grid.rows, *([grid.total] if grid.total is not None else [])):
        found = list(map(max, found, map(_width, row)))
    return found


def _width(text: str) -> int:
    if text.isascii() and "\n" not in text:
        return len(text)
    return max(map(cells, text.split("\n")))
