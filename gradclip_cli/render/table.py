"""Tables for a person: as wide as the terminal, or as wide as they need to be where they go into a pipe."""

import os
import shutil
from typing import IO, TYPE_CHECKING, cast

from gradclip_cli.render import charset, plain
from gradclip_cli.render.arrange import wanted
from gradclip_cli.render.grid import Grid
from gradclip_cli.render.lines import write_lines
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
    escape = charset.escape_for(stream)
    for found in wanted(report, view):
        grid = found if unicode else charset.escaped(found, escape)
        if not grid.rows and grid.total is None:
            stream.write(f"{grid.title}\n")  # a table of nothing is its title
        elif stream.isatty() and len(grid.rows) <= _MOST_FITTED:
            _fit(grid, stream, view, unicode)
        else:
            write_lines(stream, plain.lines(grid, "─" if unicode else "-"))
    if type(report).__name__ == "StatsReport" and not view.chooses:
        from gradclip_cli.render.pictures import pictures

        width = min(shutil.get_terminal_size().columns, _WIDEST) if stream.isatty() else _WIDTH
        stats = cast("StatsReport", report)
        if not stats.params:
            return
        drawn = pictures(stats, view.kinds, width, unicode, escape, whole=not stream.isatty())
        stream.writelines(f"{line}\n" for text in drawn for line in _folded(text, stream) or [""])
        if "total" in view.kinds:
            stream.writelines(f"{line}\n" for text in map(escape, stats.advice) for line in _folded(text, stream))


def _fit(grid: Grid, stream: IO[str], view: View, unicode: bool) -> None:
    """Write a table as a terminal has room for it."""
    from gradclip_cli.render import below, terminal

    width = shutil.get_terminal_size().columns
    if below.is_for(grid, width):
        stream.writelines(below.lines(grid, "─" if unicode else "-", width))
        return
    color = view.color and not (os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb")
    terminal.write(grid, stream, width, unicode, color)


def _folded(text: str, stream: IO[str]) -> list[str]:
    """Fold a sentence for a terminal, but no command that somebody might copy."""
    if not stream.isatty() or "gradclip apply " in text:
        return [text]
    from gradclip_cli.render.below import wrapped

    return wrapped(text, shutil.get_terminal_size().columns)
