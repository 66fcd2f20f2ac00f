"""A table in columns as wide as they have to be: nothing is cut or folded."""

from collections.abc import Iterator
from itertools import chain, islice

from gradclip_cli.render.cells import cells
from gradclip_cli.render.grid import Grid

GAP = 2
"""Blanks between two columns."""


def lines(grid: Grid, rule: str) -> Iterator[str]:
    """Yield the lines of a table, with `rule` drawn between them."""
    headings = tuple(column.heading.replace("\n", " ") for column in grid.columns)
    sizes, gap = widths(grid), " " * GAP
    signs = ["<" if column.text else ">" for column in grid.columns]
    plain = gap.join(f"{{:{sign}{size}}}" for sign, size in zip(signs, sizes, strict=True))

    def line(row: tuple[str, ...]) -> str:
        if "".join(row).isascii():
            return plain.format(*row).rstrip() + "\n"
        pads = [size - cells(cell) + len(cell) for cell, size in zip(row, sizes, strict=True)]
        return gap.join(f"{cell:{sign}{pad}}" for cell, sign, pad in zip(row, signs, pads, strict=True)).rstrip() + "\n"

    between = gap.join(rule * size for size in sizes) + "\n"
    yield from (f"{grid.title}\n", line(headings), between)
    yield from map(line, grid.rows)
    if grid.total is not None:
        yield from (between, line(grid.total))
    yield "\n"


def widths(grid: Grid) -> list[int]:
    """Return how wide each column has to be; a few thousand rows are looked at at once."""
    headings = tuple(column.heading.replace("\n", " ") for column in grid.columns)
    found: list[int] = []
    every = chain([headings, *([grid.total] if grid.total is not None else [])], grid.rows)
    while batch := list(islice(every, 4096)):
        more = [_width(column) for column in zip(*batch, strict=True)]
        found = list(map(max, more, found or more))
    return found


def _width(column: tuple[str, ...]) -> int:
    """How wide a column has to be for these cells."""
    return max(map(len if "".join(column).isascii() else cells, column))
