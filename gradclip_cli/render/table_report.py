"""Write reports for people: one screen, or tables that are as wide as the terminal, or as they need to be in a pipe."""

import os
import shutil
from collections.abc import Iterator
from functools import partial
from typing import IO

from gradclip_cli.render.records import write_lines
from gradclip_cli.render.screens import SCREENS, screen, writer
from gradclip_cli.render.screens.names import shortened
from gradclip_cli.render.screens.room import Room
from gradclip_cli.render.tables import folded, plain
from gradclip_cli.render.tables.arrange import wanted
from gradclip_cli.render.tables.grid import Grid
from gradclip_cli.render.view import View
from gradclip_cli.reports.base import Report

_MOST_FITTED = 2000
"""The most rows of all tables that are fitted to a terminal; where there are more, they are written as into a pipe."""

_WIDTH, _WIDEST = 80, 200
"""The width of charts in a pipe, and their greatest width on a terminal, in characters."""


def write(report: Report, stream: IO[str], view: View) -> None:
    """Write the screen of a report, or the tables that a view shows, then the charts and the advice of `stats`."""
    unicode = (getattr(stream, "encoding", None) or "ascii").lower().startswith("utf")
    if view.is_screen and report.schema in SCREENS:
        _write_screen(report, stream, view, unicode)
        return
    grids = wanted(report, view)
    fitted = stream.isatty() and sum(len(grid.rows) for grid in grids) <= _MOST_FITTED
    for grid in grids:
        shown = grid if unicode else plain.escape_grid(grid, plain.escape_for(stream))
        _write_grid(shown, stream, view, unicode, fitted)
    if not view.chooses:
        lines = _below_tables(report, stream, view, unicode)
        stream.writelines(f"{line}\n" for text in lines for line in _wrapped(text, stream))


def _write_screen(report: Report, stream: IO[str], view: View, unicode: bool) -> None:
    room = Room(unicode=unicode, whole=True, top=view.top)
    if stream.isatty():
        room = Room.of_terminal(shutil.get_terminal_size().columns, unicode)._replace(top=view.top)
    writer.write(screen(report, room), stream, _has_color(stream, view), str if unicode else plain.escape_for(stream))


def _has_color(stream: IO[str], view: View) -> bool:
    return stream.isatty() and view.color and not (os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb")


def _write_grid(grid: Grid, stream: IO[str], view: View, unicode: bool, fitted: bool) -> None:
    if not grid.rows and grid.total is None:
        stream.write(f"{grid.title}\n")  # an empty table is only its title
    elif fitted:
        _fit(grid, stream, view, unicode)
    else:
        width = shutil.get_terminal_size().columns if stream.isatty() else None
        write_lines(stream, plain.lines(grid, "─" if unicode else "-", width))


def _fit(grid: Grid, stream: IO[str], view: View, unicode: bool) -> None:
    """Write a table to a terminal of limited width."""
    width = shutil.get_terminal_size().columns
    if folded.is_needed(grid, width):
        stream.writelines(folded.lines(grid, "─" if unicode else "-", width))
        return
    from gradclip_cli.render.tables import terminal

    terminal.write(grid, stream, width, unicode, _has_color(stream, view))


def _below_tables(report: Report, stream: IO[str], view: View, unicode: bool) -> Iterator[str]:
    """Yield the lines of the charts and of the advice of `stats`."""
    from gradclip_cli.render.charts.characters import lines
    from gradclip_cli.reports.stats import StatsReport

    if not isinstance(report, StatsReport) or not report.holds_norms:
        return

    width = min(shutil.get_terminal_size().columns, _WIDEST) if stream.isatty() else _WIDTH
    escape = plain.escape_for(stream)
    shorten = partial(shortened, mark=Room(unicode=unicode).mark) if stream.isatty() else None
    yield from lines(report, view.kinds, width, unicode, escape, shorten)
    if "total" in view.kinds:
        yield from map(escape, report.advice.lines if report.advice else ())
        if report.command:
            yield escape(f"Next: {report.command}")


def _wrapped(text: str, stream: IO[str]) -> list[str]:
    """Fold a sentence for a terminal, unless it is a command that a user may copy."""
    if not text or not stream.isatty() or "gradclip apply " in text:
        return [text]
    return folded.wrapped(text, shutil.get_terminal_size().columns)
