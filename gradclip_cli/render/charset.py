"""What the encoding of a stream cannot say: it is escaped before columns are measured, so that they stay in line."""

from collections.abc import Callable
from typing import IO

from gradclip_cli.lazy_rows import Rows
from gradclip_cli.render.grid import Grid

Escape = Callable[[str], str]


def escape_for(stream: IO[str]) -> Escape:
    """Return what makes a text one that a stream can say; one without an encoding, as in memory, can say everything."""
    encoding = getattr(stream, "encoding", None) or "utf-8"

    def escape(text: str) -> str:
        return text if text.isascii() else text.encode(encoding, "backslashreplace").decode(encoding)

    return escape


def escaped(grid: Grid, escape: Escape) -> Grid:
    """Escape all texts of a table."""

    def line(row: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(escape, row))

    total = None if grid.total is None else line(grid.total)
    return grid._replace(title=escape(grid.title), rows=Rows(line, grid.rows), total=total)
