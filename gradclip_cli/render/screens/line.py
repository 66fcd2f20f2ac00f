"""Make lines of a screen of spans with a meaning, and put those in columns; `writer` decides how a meaning looks."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from gradclip_cli.render.tables.plain import cells

Style = Literal["", "bad", "warn", "strong", "dim"]
"""What a span means: `bad` is NaN or an explosion, `warn` what vanishes or is clipped, `strong` the answer, `dim` a hint."""


class Span(NamedTuple):
    """A part of a line, of one meaning; its text holds no control characters."""

    text: str
    style: Style = ""

    def __str__(self) -> str:
        return self.text


Line = tuple[Span, ...]
"""A line of a screen, without its end."""


def line(*parts: str | Span) -> Line:
    """Make a line of texts and spans.

    >>> line("norm ", strong("19.75"))
    (Span(text='norm ', style=''), Span(text='19.75', style='strong'))
    """
    return tuple(part if isinstance(part, Span) else Span(part) for part in parts)


def text_of(parts: Sequence[Span]) -> str:
    """Return the text of a line without its meaning."""
    text = parts[0].text if len(parts) == 1 else "".join([span.text for span in parts])
    return text.rstrip()


def bad(text: str) -> Span:
    """Mark NaN, infinities and explosions."""
    return Span(text, "bad")


def warn(text: str) -> Span:
    """Mark what vanishes, or is clipped."""
    return Span(text, "warn")


def strong(text: str) -> Span:
    """Mark the answer: the advised threshold, a verdict, a head."""
    return Span(text, "strong")


def dim(text: str) -> Span:
    """Mark a hint."""
    return Span(text, "dim")


def aligned(rows: Sequence[Sequence[str | Span]], right: Sequence[bool], gap: int = 2, indent: int = 1) -> list[Line]:
    """Align rows of the same number of cells: to the right where `right` is set, by their width on a terminal.

    The last column is not padded. Chinese characters take two cells.
    """
    spans = [[cell if isinstance(cell, Span) else Span(cell) for cell in row] for row in rows]
    widths = [max(cells(span.text) for span in column) for column in zip(*spans, strict=True)]
    return [_in_columns(row, widths, right, gap, indent) for row in spans]


def width_of(rows: Sequence[Sequence[str | Span]], gap: int = 2, indent: int = 1) -> int:
    """Return the width of rows in columns, in cells."""
    widths = [max(cells(str(cell)) for cell in column) for column in zip(*rows, strict=True)]
    return indent + sum(widths) + gap * (len(widths) - 1)


def _in_columns(row: Sequence[Span], widths: Sequence[int], right: Sequence[bool], gap: int, indent: int) -> Line:
    found = [Span(" " * indent)] if indent else []
    for k, (span, width) in enumerate(zip(row, widths, strict=True)):
        pad, last = Span(" " * (width - cells(span.text))), k == len(row) - 1
        found += [pad, span] if right[k] else [span] if last else [span, pad]
        found += [] if last else [Span(" " * gap)]
    return tuple(span for span in found if span.text)
