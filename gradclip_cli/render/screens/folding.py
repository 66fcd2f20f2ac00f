"""Fold lines that are wider than a terminal, between words."""

import re
from collections.abc import Iterator

from gradclip_cli.render.screens.line import Line, Span
from gradclip_cli.render.screens.room import Room
from gradclip_cli.render.tables.plain import cells

_WORDS = re.compile(r" +|[^ ]+")
_INDENT = 4


def folded(line: Line, room: Room) -> Iterator[Line]:
    """Yield a line in parts that fit, the later ones indented; a word that is wider than the room stays whole.

    Into a pipe lines are never folded.
    """
    if room.whole or sum(cells(span.text) for span in line) <= room.width:
        yield line
        return
    found, width = list[Span](), 0
    for span in line:
        for word in _WORDS.findall(span.text):
            size = cells(word)
            if width + size > room.width and width > _INDENT and word.strip():
                yield tuple(found)
                found, width = [Span(" " * _INDENT)], _INDENT
            if word.strip() or width > _INDENT:
                found.append(Span(word, span.style))
                width += size
    yield tuple(found)
