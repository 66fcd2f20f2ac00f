"""Fold lines and sentences that are wider than a screen, between words."""

import re
from collections.abc import Iterator
from textwrap import wrap

from gradclip_cli.render.screens.line import Line, Span, line
from gradclip_cli.render.screens.room import Room
from gradclip_cli.render.tables.plain import cells

_WORDS = re.compile(r" +|[^ ]+")
_MARGIN = Span(" " * 4)
"""What later parts of a line begin with."""


def folded(parts: Line, room: Room) -> Iterator[Line]:
    """Yield a line in parts that fit, the later ones indented; a word that is wider than the room stays whole.

    Into a pipe lines are never folded.
    """
    if room.whole or sum(cells(span.text) for span in parts) <= room.width:
        yield parts
        return
    words = [Span(word, span.style) for span in parts for word in _WORDS.findall(span.text)]
    found, width = list[Span](), 0
    for word in words:
        blank, begun = not word.text.strip(), found[1:] or (found and found[0] != _MARGIN)
        if begun and not blank and width + cells(word.text) > room.width:
            yield tuple(found)
            found, width = [_MARGIN], len(_MARGIN.text)
        if found != [_MARGIN] or not blank:
            found.append(word)
            width += cells(word.text)
    yield tuple(found)


def wrapped(text: str, room: Room, indent: int = 0) -> list[Line]:
    """Fold a sentence to the width of a room, into a pipe too; a name or a path that is wider stays whole."""
    margin, width = " " * indent, max(20, room.width)
    found = wrap(
        text, width, initial_indent=margin, subsequent_indent=margin, break_long_words=False, break_on_hyphens=False
    )
    return [line(part) for part in found]
