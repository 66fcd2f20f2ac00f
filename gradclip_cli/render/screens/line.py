"""Make a line of a screen of spans with a meaning; `writer` decides how a meaning looks."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

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
