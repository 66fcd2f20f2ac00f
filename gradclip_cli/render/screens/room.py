"""Describe where a screen is shown: its width, and the characters that it can show."""

from typing import NamedTuple

NARROWEST, PIPE, WIDEST = 40, 80, 120
"""The least and the greatest width that a screen is fitted to, and its width in a pipe, in cells."""


class Room(NamedTuple):
    """The room of a screen: `width` in cells, and whether bars and other Unicode can be shown.

    Where it is `whole`, as in a pipe, names are never shortened, and rows that are left out are counted in words. `top` is how
    many rows of each list the user wants to see.
    """

    width: int = PIPE
    unicode: bool = True
    whole: bool = False
    top: int | None = None

    def most(self, usual: int) -> int:
        """Return how many rows of a list are shown: as many as the user wants, or the usual number."""
        return usual if self.top is None else self.top

    @classmethod
    def of_terminal(cls, columns: int, unicode: bool) -> "Room":
        """Return the room of a terminal of so many columns."""
        return cls(max(NARROWEST, min(columns, WIDEST)), unicode)

    @property
    def ellipsis(self) -> str:
        """What stands for something left out on a terminal."""
        return "…" if self.unicode else ".."

    @property
    def mark(self) -> str:
        """What stands for the end of a word that is cut."""
        return "…" if self.unicode else "~"
