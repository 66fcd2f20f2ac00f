"""Put the spans of several lines in columns."""

from collections.abc import Sequence

from gradclip_cli.render.screens.line import Line, Span
from gradclip_cli.render.tables.plain import cells


def aligned(rows: Sequence[Sequence[str | Span]], right: Sequence[bool], gap: int = 2, indent: int = 1) -> list[Line]:
    """Align rows of the same number of cells: to the right where `right` is set, by their width on a terminal.

    The last column is not padded. Chinese characters take two cells.
    """
    spans = [[cell if isinstance(cell, Span) else Span(cell) for cell in row] for row in rows]
    widths = [max(cells(span.text) for span in column) for column in zip(*spans, strict=True)]
    return [_line(row, widths, right, gap, indent) for row in spans]


def width_of(rows: Sequence[Sequence[str | Span]], gap: int = 2, indent: int = 1) -> int:
    """Return the width of rows in columns, in cells."""
    widths = [max(cells(str(cell)) for cell in column) for column in zip(*rows, strict=True)]
    return indent + sum(widths) + gap * (len(widths) - 1)


def _line(row: Sequence[Span], widths: Sequence[int], right: Sequence[bool], gap: int, indent: int) -> Line:
    found = [Span(" " * indent)] if indent else []
    for k, (span, width) in enumerate(zip(row, widths, strict=True)):
        pad, last = Span(" " * (width - cells(span.text))), k == len(row) - 1
        found += [pad, span] if right[k] else [span] if last else [span, pad]
        found += [] if last else [Span(" " * gap)]
    return tuple(span for span in found if span.text)
