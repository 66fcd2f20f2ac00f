"""Write tables in GitHub's Markdown; names are escaped, so that they make no markup and no links."""

import re
from collections.abc import Iterable, Iterator
from typing import IO

from gradclip_cli.render.records import write_lines
from gradclip_cli.render.tables.arrange import wanted
from gradclip_cli.render.tables.grid import Grid
from gradclip_cli.render.view import View
from gradclip_cli.reports.base import Report

_MARKUP = re.compile(r"[\\`*_\[\]<>|~$&#]|:(?=//)|(?<=www)\.", re.IGNORECASE)
_EDGES = re.compile(r"^ +| +$")


def write(report: Report, stream: IO[str], view: View) -> None:
    """Write the tables that a view shows, each under a heading; a total is the last row."""
    for number, grid in enumerate(wanted(report, view)):
        write_lines(stream, _lines(grid, "\n" if number else ""))


def _lines(grid: Grid, before: str) -> Iterator[str]:
    yield f"{before}## {escape_markup(grid.title)}\n\n"
    if not grid.columns:
        return
    yield _line(escape_markup(column.heading.replace("\n", " ")) for column in grid.columns)
    yield _line(":---" if column.text else "---:" for column in grid.columns)
    for row in grid.rows:
        yield _line(map(escape_markup, row))
    if grid.total is not None:
        yield _line(map(escape_markup, grid.total))


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


def escape_markup(text: str) -> str:
    r"""Escape what Markdown takes for markup or for a link, and spaces at the edges, which it drops.

    >>> escape_markup("a_b|`c`")
    'a\\_b\\|\\`c\\`'
    """
    return _EDGES.sub(lambda found: "&#32;" * len(found[0]), _MARKUP.sub(r"\\\g<0>", text))
