"""Write a table as lines of text, with columns as wide as they need to be: nothing is cut or folded."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from operator import itemgetter
from typing import IO

from gradclip_cli.lazy_rows import LazyRows
from gradclip_cli.render.tables.grid import Column, Grid

Escape = Callable[[str], str]
"""Replaces characters that a stream cannot encode."""

GAP = 2
"""The number of blanks between two columns."""

_BATCH = 4096
_CELL = "\0"
"""The separator of the cells of a packed row; it occurs in no text that is shown."""


def lines(grid: Grid, rule: str, width: int | None = None) -> Iterator[str]:
    """Yield the lines of a table; rules are drawn with the character `rule`.

    Where it is wider than `width`, it is written without the columns of the highest rank.
    """
    headings = tuple(column.heading.replace("\n", " ") for column in grid.columns)
    kept, sizes = _kept(grid, headings)
    fitted = list(range(len(sizes))) if width is None else fitting(grid.columns, sizes, width)
    if len(fitted) < len(sizes):
        yield from lines(_of_columns(grid, fitted, kept), rule)
        return
    gap = " " * GAP
    signs = ["<" if column.text else ">" for column in grid.columns]
    plain = gap.join(f"%{'-' * (sign == '<')}{size}s" for sign, size in zip(signs, sizes, strict=True))

    def line(row: Sequence[str]) -> str:
        if "".join(row).isascii():
            return (plain % tuple(row)).rstrip() + "\n"
        pads = [size - cells(cell) + len(cell) for cell, size in zip(row, sizes, strict=True)]
        return gap.join(f"{cell:{sign}{pad}}" for cell, sign, pad in zip(row, signs, pads, strict=True)).rstrip() + "\n"

    between = gap.join(rule * size for size in sizes) + "\n"
    yield from (f"{grid.title}\n", line(headings), between)
    yield from (line(row.split(_CELL)) for row in kept)
    if grid.total is not None:
        yield from (between, line(grid.total))
    yield "\n"


def fitting(columns: Sequence[Column], sizes: Sequence[int], width: int) -> list[int]:
    """Return the columns of these sizes that fit without those of the highest ranks; columns of rank 0 always stay."""
    kept = list(range(len(columns)))
    for rank in sorted({column.rank for column in columns} - {0}, reverse=True):
        if sum(sizes[k] + GAP for k in kept) - GAP <= width:
            break
        kept = [k for k in kept if columns[k].rank != rank]
    return kept


def _of_columns(grid: Grid, fitted: Sequence[int], packed: Sequence[str]) -> Grid:
    """Return a table of some columns, from its packed rows."""
    take = itemgetter(*fitted) if len(fitted) > 1 else lambda row: (row[fitted[0]],)
    rows = LazyRows(lambda row: take(row.split(_CELL)), packed)
    total = None if grid.total is None else take(grid.total)
    return grid._replace(columns=[grid.columns[k] for k in fitted], rows=rows, total=total)


def widths(grid: Grid) -> list[int]:
    """Return the width of each column in cells."""
    return _kept(grid, tuple(column.heading.replace("\n", " ") for column in grid.columns))[1]


def _kept(grid: Grid, headings: tuple[str, ...]) -> tuple[list[str], list[int]]:
    """Return all rows, packed, and the widths of the columns; each row is made only once, which is slower than printing."""
    kept: list[str] = []
    sizes = list(map(_width, zip(headings, *([grid.total] if grid.total is not None else []), strict=True)))
    every = iter(grid.rows)
    while batch := list(islice(every, _BATCH)):
        sizes = list(map(max, sizes, map(_width, zip(*batch, strict=True))))
        kept += map(_CELL.join, batch)
    return kept, sizes


def _width(column: tuple[str, ...]) -> int:
    """Return the width of the widest of these cells."""
    return max(map(len if "".join(column).isascii() else cells, column))


def cells(text: str) -> int:
    """Return the width of a text in cells of a terminal; Chinese characters take two."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def escape_for(stream: IO[str]) -> Escape:
    """Return a function that escapes characters a stream cannot encode; without an encoding, a stream takes all of them."""
    encoding = getattr(stream, "encoding", None) or "utf-8"

    def escape(text: str) -> str:
        return text if text.isascii() else text.encode(encoding, "backslashreplace").decode(encoding)

    return escape


def escape_grid(grid: Grid, escape: Escape) -> Grid:
    """Escape all texts of a table; do this before its columns are measured."""

    def line(row: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(escape, row))

    total = None if grid.total is None else line(grid.total)
    return grid._replace(title=escape(grid.title), rows=LazyRows(line, grid.rows), total=total)
