"""Fold sentences between words, so that they fit on a screen."""

from textwrap import wrap

from gradclip_cli.render.screens.line import Line, line
from gradclip_cli.render.screens.room import Room


def wrapped(text: str, room: Room, indent: int = 0) -> list[Line]:
    """Fold a sentence to the width of a room; a name or a path that is wider stays whole."""
    margin = " " * indent
    width = max(20, room.width)
    found = wrap(
        text, width, initial_indent=margin, subsequent_indent=margin, break_long_words=False, break_on_hyphens=False
    )
    return [line(part) for part in found]
