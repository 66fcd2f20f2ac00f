"""A table fitted to a terminal: columns of lesser rank go first, then names are folded."""

from typing import IO, Literal

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gradclip_cli.render.grid import Grid

_NAME, _TEXT = 31, 12
"""What the first column of text is given at least, where there is room for it, and the others."""

_MARGIN = 2


def write(grid: Grid, stream: IO[str], width: int, unicode: bool, color: bool) -> None:
    """Write a table; where not even its figures fit, it is as wide as it has to be and the terminal folds it."""
    kept = _fitting(grid, width)
    name = _NAME if _needed(grid, kept, _NAME) <= width else _TEXT
    # Without a height, rich takes a terminal that TERM does not name for 80 columns wide, and cuts what is wider.
    console = Console(
        file=stream,
        width=max(width, _needed(grid, kept, name)),
        height=1,
        markup=False,
        highlight=False,
        emoji=False,
        no_color=not color,
    )
    console.print(Text(grid.title, style="bold" if color else ""), soft_wrap=True)
    widths = _widths(grid, kept, name, width)
    console.print(_table(grid, widths, box.SIMPLE_HEAD if unicode else box.ASCII, color))


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


def _fitting(grid: Grid, width: int) -> list[int]:
    """Leave out the columns of the highest rank until the figures fit beside the texts."""
    kept = list(range(len(grid.columns)))
    while (rank := max(grid.columns[k].rank for k in kept)) and _needed(grid, kept, _NAME) > width:
        kept = [k for k in kept if grid.columns[k].rank < rank]
    return kept


def _widths(grid: Grid, kept: list[int], name: int, width: int) -> dict[int, int]:
    """Give every column what it needs, and then the narrowest text that is folded one more, until no room is left.

    Were it left to rich, it would fold texts no narrower than they may be and cut the figures behind them.
    """
    widths = {k: _least(grid, k, name) for k in kept}
    widest = {k: _widest(grid, k) for k in kept}
    for _ in range(width - _needed(grid, kept, name)):
        folded = [k for k in kept if widths[k] < widest[k]]
        if not folded:
            break
        widths[min(folded, key=widths.__getitem__)] += 1
    return widths


def _needed(grid: Grid, kept: list[int], name: int) -> int:
    """The width that columns need, where the first of the texts is given `name`."""
    return sum(_least(grid, k, name) + _MARGIN for k in kept)


def _least(grid: Grid, k: int, name: int) -> int:
    """The width that a column needs: that of its figures, or enough of its texts to read them."""
    first = next((i for i, column in enumerate(grid.columns) if column.text), k)
    if not grid.columns[k].text:
        return _widest(grid, k)
    return min(_widest(grid, k), name if k == first else _TEXT)


def _widest(grid: Grid, k: int) -> int:
    """The width of a column in which nothing is folded."""
    texts = [grid.columns[k].heading, *(row[k] for row in grid.rows)]
    texts += [grid.total[k]] if grid.total is not None else []
    return max(cell_len(line) for text in texts for line in text.split("\n"))
