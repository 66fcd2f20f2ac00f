"""Fold lines that are wider than a terminal, between words."""

import re
from collections.abc import Iterator

from gradclip_cli.render.screens.line import Line, Span
from gradclip_cli.render.screens.room import Room
from gradclip_cli.render.tables.plain import cells

_WORDS = re.compile(r" +|[^ ]+")
_MARGIN = Span(" " * 4)
"""What later parts of a line begin with."""


def folded(line: Line, room: Room) -> Iterator[Line]:
    """Yield a line in parts that fit, the later ones indented; a word that is wider than the room stays whole.

    Into a pipe lines are never folded.
    """
    if room.whole or sum(cells(span.text) for span in line) <= room.width:
        yield line
        return
    words = [Span(word, span.style) for span in line for word in _WORDS.findall(span.text)]
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
