"""Fold lines and sentences that are wider than a screen, between words."""

import re
from collections.abc import Iterable, Iterator, Sequence
from textwrap import wrap

from gradclip_cli.render.screens.line import Line, Span, Style, line
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
    words = [Span(breakable(word), span.style) for span in parts for word in _WORDS.findall(unbroken(span.text))]
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


_UNIT = re.compile(r"\d (?:x|%)(?!\w)")
_INDEX = re.compile(r"(?:\bat )?\[[\d, ]+\]")
_OPTION = re.compile(r"(?<!\S)-f \w+|--by \w+(?: \([\d,]+\))?")
_COUNT = re.compile(r"\d[\d,]* (?:NaN |Inf )?of \d[\d,]*")
"""What stays on one line: a figure with its unit, an index, an option with its value, how many of how many."""

_NO_BREAK = "\N{NO-BREAK SPACE}"


def unbroken(text: str) -> str:
    """Return a text with no-break blanks where a line must not end; `breakable` turns them back into blanks."""
    for one in (_UNIT, _INDEX, _OPTION, _COUNT):
        text = one.sub(_no_break, text)
    return text


def breakable(text: str) -> str:
    """Return a text with common blanks in place of no-break ones."""
    return text.replace(_NO_BREAK, " ")


def _no_break(found: re.Match[str]) -> str:
    return found[0].replace(" ", _NO_BREAK)


def wrapped(text: str, room: Room, indent: int = 0) -> list[Line]:
    """Fold a sentence to the width of a room, into a pipe too; a name or a path that is wider stays whole."""
    return [line(part) for part in in_lines(text, room.width, " " * indent)]


def in_lines(text: str, width: int, margin: str = "") -> list[str]:
    """Return the lines of a sentence of at most `width` characters, but at least 20; two blanks stay where they are.

    >>> in_lines("norm 187, 19 x its neighbours", 20)
    ['norm 187, 19 x its', 'neighbours']
    """
    found = wrap(
        unbroken(text).replace("  ", f"{_NO_BREAK} "),
        max(20, width),
        initial_indent=margin,
        subsequent_indent=margin,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [breakable(part).rstrip() for part in found]


def phrases(
    parts: Sequence[str], room: Room, indent: int = 1, join: str = " ", style: Style = "", hang: int = 2
) -> Iterator[Line]:
    """Yield parts of a sentence in as many lines as a terminal needs, later ones indented by `hang` more; in a pipe in one."""
    text = ""
    for part in filter(None, parts):
        longer = f"{text}{join}{part}" if text else " " * indent + part
        if text and not room.whole and cells(longer) > room.width:
            yield line(Span((text + join).rstrip(), style))
            longer = " " * (indent + hang) + part
        text = longer
    yield line(Span(text, style))


def packed(parts: Iterable[Span], room: Room, first: Line = (), join: str = "   ") -> Iterator[Line]:
    """Put parts in as few lines as they fit into, behind what comes first; a part is never cut."""
    row, empty = list(first), len(first)
    for part in parts:
        if len(row) > empty and sum(cells(span.text) for span in row) + len(join) + cells(part.text) > room.width:
            yield tuple(row)
            row, empty = [Span(" ")], 1
        row += [part] if len(row) == empty else [Span(join), part]
    if row:
        yield tuple(row)
