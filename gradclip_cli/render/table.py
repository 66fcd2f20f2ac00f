"""Tables for a person: as wide as the terminal, or as wide as they need to be where they go into a pipe."""

import shutil
from typing import IO, TYPE_CHECKING, Literal

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gradclip_cli.render.grid import Grid, grids

if TYPE_CHECKING:
    from gradclip_cli.report import Report

_UNBOUNDED = 1_000_000
_LEAST_NAME = 30
_MARGIN = 2  # a space on either side of a cell


def write(report: "Report", stream: IO[str], kinds: frozenset[str]) -> None:
    """Write the wanted tables of a report, each under its title."""
    width = shutil.get_terminal_size().columns if stream.isatty() else _UNBOUNDED
    console = Console(file=stream, width=width, markup=False, highlight=False, emoji=False)
    unicode = (getattr(stream, "encoding", None) or "ascii").lower().startswith("utf")
    for grid in grids(report, kinds):
        console.print(Text(grid.title, style="bold"), soft_wrap=True)
        console.print(_table(grid, width, box.SIMPLE_HEAD if unicode else box.ASCII))


def _table(grid: Grid, width: int, lines: box.Box) -> Table:
    table = Table(box=lines, pad_edge=False, padding=(0, 1, 0, 0), show_footer=grid.total is not None)
    kept = _fitting(grid, width)
    for k in kept:
        column = grid.columns[k]
        justify: Literal["left", "right"] = "left" if column.text else "right"
        footer = Text(grid.total[k]) if grid.total is not None else ""
        least = min(_width(grid, k), _LEAST_NAME) if column.text and k == kept[0] else None
        table.add_column(
            Text(column.heading), footer, justify=justify, no_wrap=not column.text, overflow="fold", min_width=least
        )
    for row in grid.rows:
        table.add_row(*(Text(row[k]) for k in kept))
    return table


def _fitting(grid: Grid, width: int) -> list[int]:
    """Leave out the columns of the highest rank until the figures fit beside the texts."""
    kept = list(range(len(grid.columns)))
    while (rank := max(grid.columns[k].rank for k in kept)) and sum(_needed(grid, k) + _MARGIN for k in kept) > width:
        kept = [k for k in kept if grid.columns[k].rank < rank]
    return kept


def _needed(grid: Grid, k: int) -> int:
    return min(_width(grid, k), _LEAST_NAME) if grid.columns[k].text else _width(grid, k)


def _width(grid: Grid, k: int) -> int:
    cells = [
        grid.columns[k].heading,
        *(row[k] for row in grid.rows),
        *([grid.total[k]] if grid.total is not None else []),
    ]
    return max(cell_len(line) for cell in cells for line in cell.split("\n"))
