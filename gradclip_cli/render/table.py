"""Tables for a person: as wide as the terminal, or as wide as they need to be where they go into a pipe."""

import shutil
from typing import IO, Literal

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gradclip_cli.render.grid import Column, Grid, grids
from gradclip_cli.report import Report

_UNBOUNDED = 1_000_000
_LEAST_NAME = 20
_PADDING = 2


def write(report: Report, stream: IO[str], kinds: frozenset[str]) -> None:
    """Write the wanted tables of a report, each under its title."""
    terminal = stream.isatty()
    width = shutil.get_terminal_size().columns if terminal else _UNBOUNDED
    console = Console(file=stream, width=width, markup=False, highlight=False, emoji=False, legacy_windows=False)
    ascii_only = not (getattr(stream, "encoding", None) or "ascii").lower().startswith("utf")
    for grid in grids(report, kinds):
        console.print(Text(grid.title, style="bold"), soft_wrap=True)
        console.print(_table(grid, width, ascii_only))


def _table(grid: Grid, width: int, ascii_only: bool) -> Table:
    kept = _fitting(grid, width)
    table = Table(box=box.ASCII if ascii_only else box.SIMPLE_HEAD, pad_edge=False, show_footer=grid.total is not None)
    for k in kept:
        column = grid.columns[k]
        footer = Text(grid.total[k]) if grid.total is not None else ""
        justify: Literal["left", "right"] = "left" if column.text else "right"
        table.add_column(Text(column.heading), footer, justify=justify, no_wrap=not column.text, overflow="fold")
    for row in grid.rows:
        table.add_row(*(Text(row[k]) for k in kept))
    return table


def _fitting(grid: Grid, width: int) -> list[int]:
    """Leave out the columns of the highest rank until the figures fit beside a name."""
    kept = list(range(len(grid.columns)))
    while (rank := max(grid.columns[k].rank for k in kept)) and sum(_width(grid, k) for k in kept) > width:
        kept = [k for k in kept if grid.columns[k].rank < rank]
    return kept


def _width(grid: Grid, k: int) -> int:
    column: Column = grid.columns[k]
    rows = [*grid.rows, *([grid.total] if grid.total is not None else [])]
    widest = max([cell_len(column.heading), *(cell_len(row[k]) for row in rows)])
    return (min(widest, _LEAST_NAME) if column.text else widest) + _PADDING
