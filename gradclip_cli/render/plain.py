"""A table in columns as wide as they have to be: nothing is cut or folded."""

from collections.abc import Iterable, Iterator
from itertools import chain, islice

from gradclip_cli.render.cells import cells
from gradclip_cli.render.grid import Grid


def lines(grid: Grid, rule: str) -> Iterator[str]:
    """Yield the lines of a table, with `rule` drawn between them."""
    headings = tuple(column.heading.replace("\n", " ") for column in grid.columns)
    below = [grid.total] if grid.total is not None else []
    widths = _widths([headings, *below], grid.rows)
    signs = ["<" if column.text else ">" for column in grid.columns]
    plain = "  ".join(f"{{:{sign}{width}}}" for sign, width in zip(signs, widths, strict=True))

    def line(row: tuple[str, ...]) -> str:
        if all(map(str.isascii, row)):
            return plain.format(*row).rstrip() + "\n"
        pads = [width - cells(cell) + len(cell) for cell, width in zip(row, widths, strict=True)]
        return (
            "  ".join(f"{cell:{sign}{pad}}" for cell, sign, pad in zip(row, signs, pads, strict=True)).rstrip() + "\n"
        )

    between = "  ".join(rule * width for width in widths) + "\n"
    yield from (f"{grid.title}\n", line(headings), between)
    yield from map(line, grid.rows)
    if grid.total is not None:
        yield from (between, line(grid.total))
    yield "\n"


def _widths(rows: Iterable[tuple[str, ...]], more: Iterable[tuple[str, ...]]) -> list[int]:
    """How wide each column has to be; a few thousand rows are looked at at once."""
    widths: list[int] = []
    every = chain(rows, more)
    while batch := list(islice(every, 4096)):
        found = [max(map(cells, column)) for column in zip(*batch, strict=True)]
        widths = list(map(max, found, widths or found))
    return widths
