"""Draw a table on a terminal, in the columns and widths that fit; what does not fit into its column is folded."""

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import IO

from gradclip_cli.render.records import write_lines
from gradclip_cli.render.tables.fit import MARGIN, widths
from gradclip_cli.render.tables.grid import Grid
from gradclip_cli.render.tables.plain import cells

_BOLD, _PLAIN = "\x1b[1m", "\x1b[0m"


def write(grid: Grid, stream: IO[str], width: int, unicode: bool, color: bool) -> None:
    """Write a table; if not even its figures fit, write it in full width and let the terminal fold it."""
    write_lines(stream, lines(grid._replace(rows=list(grid.rows)), width, "─" if unicode else "-", color))


def lines(grid: Grid, width: int, rule: str, color: bool) -> Iterator[str]:
    """Yield the lines of a table whose rows are made: its title, its headings, its rows and its total."""
    found = widths(grid, width)
    columns = [grid.columns[k] for k in found]
    between = rule * (sum(found.values()) + MARGIN * (len(found) - 1)) + "\n"
    rows = _Rows(list(found.values()), [column.text for column in columns])
    yield f"{_bold(grid.title, color)}\n\n"
    for line in rows.of_texts([column.heading.split("\n") for column in columns]):
        yield f"{_bold(line, color)}\n"
    yield between
    for row in grid.rows:
        yield from rows.lines([row[k] for k in found])
    if grid.total is not None:
        yield between
        yield from rows.lines([grid.total[k] for k in found])
    yield "\n"


class _Rows:
    """Lays rows out in columns of `widths`, those of text to the left and figures to the right."""

    def __init__(self, widths: Sequence[int], text: Sequence[bool]) -> None:
        self._widths, self._text = widths, text
        signs = [f"%{'-' if left else ''}{size}s" for size, left in zip(widths, text, strict=True)]
        self._template = (" " * MARGIN).join(signs)

    def lines(self, row: Sequence[str]) -> Iterator[str]:
        """Yield the line of a row, or the lines if a cell is folded."""
        if all(map(_fits, row, self._widths)):
            yield f"{(self._template % tuple(row)).rstrip()}\n"
            return
        for line in self.of_texts([_folded(cell, width) for cell, width in zip(row, self._widths, strict=True)]):
            yield f"{line}\n"

    def of_texts(self, texts: Sequence[Sequence[str]]) -> Iterator[str]:
        """Yield lines of cells that may have several lines each."""
        for parts in zip_longest(*texts, fillvalue=""):
            padded = [
                cell + " " * (width - cells(cell)) if left else " " * (width - cells(cell)) + cell
                for cell, width, left in zip(parts, self._widths, self._text, strict=True)
            ]
            yield (" " * MARGIN).join(padded).rstrip()


def _fits(cell: str, width: int) -> bool:
    return len(cell) <= width and cell.isascii()


def _folded(text: str, width: int) -> list[str]:
    """Fold a text between words, and inside a word that is too long.

    >>> _folded("a long_word here", 6)
    ['a', 'long_w', 'ord', 'here']
    """
    found = [""]
    for word in text.split(" "):
        joined = f"{found[-1]} {word}" if found[-1] else word
        if cells(joined) <= width:
            found[-1] = joined
            continue
        found += [""] if found[-1] else []
        found[-1:] = _chopped(word, width)
    return found


def _chopped(word: str, width: int) -> list[str]:
    """Cut a word into parts of at most `width` cells, of one character where even that is wider."""
    found = [""]
    for character in word:
        if found[-1] and cells(found[-1] + character) > width:
            found.append("")
        found[-1] += character
    return found


def _bold(text: str, color: bool) -> str:
    return f"{_BOLD}{text}{_PLAIN}" if color and text else text
