"""Write a table with sentences under their rows, for a terminal that is too narrow for them beside the figures."""

from collections.abc import Iterator
from itertools import islice
from textwrap import wrap

from gradclip_cli.render.tables import plain
from gradclip_cli.render.tables.fit import fitting
from gradclip_cli.render.tables.grid import Grid

_INDENT = " " * 4
_HEAD = 3
"""The number of lines above the first row: the title, the headings and a rule."""


def is_needed(grid: Grid, width: int) -> bool:
    """Return whether a table has sentences, and is too wide for a terminal with them in columns."""
    return any(column.below for column in grid.columns) and len(_fitting(grid, width)) < len(grid.columns)


def lines(grid: Grid, rule: str, width: int) -> Iterator[str]:
    """Yield the lines of a table with the columns that fit, and under each row the sentences of those that do not fit."""
    kept = _fitting(grid, width)
    under = [k for k, column in enumerate(grid.columns) if column.below and k not in kept]
    rows = [tuple(row[k] for k in kept) for row in grid.rows]
    beside = plain.lines(Grid(grid.title, [grid.columns[k] for k in kept], rows), rule)
    yield from islice(beside, _HEAD)
    for row, line in zip(grid.rows, beside, strict=False):
        yield line
        for text in (row[k] for k in under if row[k] not in ("", "-")):
            # an option that a user may copy is not folded here but by the terminal
            parts = [text] if text.startswith("--") else wrapped(text, width - len(_INDENT))
            yield from (f"{_INDENT}{part}\n" for part in parts)
    yield "\n"


def wrapped(text: str, width: int) -> list[str]:
    """Fold a sentence between words."""
    return wrap(text, max(20, width), break_long_words=False, break_on_hyphens=False)


def _fitting(grid: Grid, width: int) -> list[int]:
    """Return the columns that fit without folding; leave out those of sentences first, then those of the highest rank."""
    widths = plain.widths(grid)
    return fitting(
        grid.columns,
        width,
        lambda kept: sum(widths[k] + plain.GAP for k in kept) - plain.GAP,
        lambda column: (column.below, column.rank),
    )
