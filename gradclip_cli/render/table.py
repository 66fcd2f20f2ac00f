"""Tables for a person: as wide as the terminal, or as wide as they need to be where they go into a pipe."""

import os
import shutil
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, cast

from gradclip_cli.render.arrange import wanted
from gradclip_cli.render.cells import cells
from gradclip_cli.render.grid import Grid
from gradclip_cli.render.view import View

if TYPE_CHECKING:
    from gradclip_cli.report import Report, StatsReport

_MOST_FITTED = 2000
"""Rows up to which a table is fitted to a terminal: longer ones are written as into a pipe, a hundred times as fast."""

_WIDTH, _WIDEST = 80, 200
"""How wide pictures are in a pipe, and at most."""


def write(report: "Report", stream: IO[str], view: View) -> None:
    """Write the wanted tables of a report, each under its title."""
    unicode = (getattr(stream, "encoding", None) or "ascii").lower().startswith("utf")
    for grid in wanted(report, view):
        if stream.isatty() and len(grid.rows) <= _MOST_FITTED:
            from gradclip_cli.render import terminal

            color = view.color and not (os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb")
            terminal.write(grid, stream, shutil.get_terminal_size().columns, unicode, color)
        else:
            stream.writelines(_plain(grid, "─" if unicode else "-"))
    if type(report).__name__ == "StatsReport" and not view.chooses:
        from gradclip_cli.render.pictures import pictures

        width = min(shutil.get_terminal_size().columns, _WIDEST) if stream.isatty() else _WIDTH
        found = cast("StatsReport", report)
        stream.writelines(f"{line}\n" for line in pictures(found, view.kinds, width, unicode))
        stream.writelines(f"{line}\n" for line in found.advice if "total" in view.kinds)


def _plain(grid: Grid, rule: str) -> Iterator[str]:
    """Set a table in columns as wide as they have to be; nothing is cut or folded."""
    headings = [column.heading.replace("\n", " ") for column in grid.columns]
    rows = [headings, *grid.rows, *([grid.total] if grid.total is not None else [])]
    widths = [max(map(cells, column)) for column in zip(*rows, strict=True)]
    line = "  ".join(rule * width for width in widths) + "\n"
    texts = [column.text for column in grid.columns]
    yield f"{grid.title}\n"
    for k, row in enumerate(rows):
        if k == 1 or (grid.total is not None and k == len(rows) - 1):
            yield line
        padded = (
            cell + " " * (width - cells(cell)) if text else " " * (width - cells(cell)) + cell
            for cell, width, text in zip(row, widths, texts, strict=True)
        )
        yield "  ".join(padded).rstrip() + "\n"
    yield "\n"
