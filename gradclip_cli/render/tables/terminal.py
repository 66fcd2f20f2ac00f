"""Draw a table on a terminal with rich, in the columns and widths that fit."""

from typing import IO, Literal

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gradclip_cli.render.tables.fit import MARGIN, widths
from gradclip_cli.render.tables.grid import Grid


def write(grid: Grid, stream: IO[str], width: int, unicode: bool, color: bool) -> None:
    """Write a table; if not even its figures fit, write it in full width and let the terminal fold it."""
    found = widths(grid, width)
    # Without a height, rich takes a terminal without TERM to be 80 columns wide, and cuts wider tables.
    console = Console(
        file=stream,
        width=max(width, sum(found.values()) + MARGIN * len(found)),
        height=1,
        markup=False,
        highlight=False,
        emoji=False,
        no_color=not color,
    )
    console.print(Text(grid.title, style="bold" if color else ""), soft_wrap=True)
    console.print(_table(grid, found, box.SIMPLE_HEAD if unicode else box.ASCII, color))


def _table(grid: Grid, widths: dict[int, int], lines: box.Box, color: bool) -> Table:
    style = None if color else "none"
    table = Table(
        box=lines,
        pad_edge=False,
        padding=(0, 1, 0, 0),
        show_footer=grid.total is not None,
        header_style=style,
        footer_style=style,
    )
    for k, width in widths.items():
        column = grid.columns[k]
        justify: Literal["left", "right"] = "left" if column.text else "right"
        footer = Text(grid.total[k]) if grid.total is not None else ""
        table.add_column(
            Text(column.heading),
            footer,
            justify=justify,
            no_wrap=not column.text,
            overflow="fold",
            width=width,
        )
    for row in grid.rows:
        table.add_row(*(Text(row[k]) for k in widths))
    return table
