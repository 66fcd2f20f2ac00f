"""A table whose sentences stand below their rows, where a terminal has no room for them beside the figures."""

from collections.abc import Iterator
from itertools import islice
from textwrap import wrap

from gradclip_cli.render import plain
from gradclip_cli.render.grid import Grid

_INDENT = " " * 4
_HEAD = 3
"""Lines above the first row: the title, the headings, and what is drawn under them."""


def is_for(grid: Grid, width: int) -> bool:
    """Whether a table has sentences, and does not fit a terminal beside them."""
    return any(column.below for column in grid.columns) and len(_fitting(grid, width)) < len(grid.columns)


def lines(grid: Grid, rule: str, width: int) -> Iterator[str]:
    """Yield the lines of a table with what fits beside the rows; under each stands what may stand there."""
    kept = _fitting(grid, width)
    under = [k for k, column in enumerate(grid.columns) if column.below and k not in kept]
    rows = [tuple(row[k] for k in kept) for row in grid.rows]
    beside = plain.lines(Grid(grid.title, [grid.columns[k] for k in kept], rows), rule)
    yield from islice(beside, _HEAD)
    for row, line in zip(grid.rows, beside, strict=False):
        yield line
        for text in (row[k] for k in under if row[k] not in ("", "-")):
            # an option that somebody might copy stays in one piece, and the terminal folds it
            parts = [text] if text.startswith("--") else wrapped(text, width - len(_INDENT))
            yield from (f"{_INDENT}{part}\n" for part in parts)
    yield "\n"


def wrapped(text: str, width: int) -> list[str]:
    """Fold a sentence between its words."""
    return wrap(text, max(20, width), break_long_words=False, break_on_hyphens=False)


def _fitting(grid: Grid, width: int) -> list[int]:
    """Leave out columns until the others fit: what may stand below first, then those of the highest rank; one is left."""
    widths, kept = plain.widths(grid), list(range(len(grid.columns)))
    for key in sorted({(column.below, column.rank) for column in grid.columns}, reverse=True):
        fewer = [k for k in kept if (grid.columns[k].below, grid.columns[k].rank) != key]
        if not fewer or sum(widths[k] + plain.GAP for k in kept) - plain.GAP <= width or key == (False, 0):
            break
        kept = fewer
    return kept
