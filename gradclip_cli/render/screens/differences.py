"""What the screens of two dumps and of two runs share: the order of rows, their figures, and the table of them."""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

from gradclip_cli.render.screens.line import Line, Span, aligned, bad, width_of
from gradclip_cli.render.screens.names import shortened
from gradclip_cli.render.screens.room import Room
from gradclip_cli.render.tables.grid import figure, near_one
from gradclip_cli.render.tables.plain import cells
from gradclip_cli.text import printable

APART = {"reshaped": "of another shape", "only-a": "only in a", "only-b": "only in b"}
"""What the statuses of tensors that are not in both dumps in one shape mean."""

_LEAST = 24
"""The cells that names get before columns are left out."""

_HEADS = ("norm a", "norm b", "ratio", "cosine", "rel |a-b|")
_LEFT_OUT = (("norm b",), ("norm a", "norm b"), ("norm a", "norm b", "cosine"))
"""The columns that a narrow terminal leaves out, the first set that is enough."""


class Compared(Protocol):
    """A row of a report with the figures of a comparison."""

    @property
    def norm_a(self) -> float | None:
        """The norm in A."""

    @property
    def norm_b(self) -> float | None:
        """The norm in B."""

    @property
    def norm_ratio(self) -> float | None:
        """The second over the first."""

    @property
    def cosine(self) -> float | None:
        """The cosine of the angle between both."""

    @property
    def rel_diff(self) -> float | None:
        """The norm of the difference over the smaller norm."""


Row = TypeVar("Row", bound=Compared)


def by_difference(rows: Iterable[Row]) -> list[Row]:
    """Sort rows by how much they differ: first what is not finite, last what has no norm."""
    return sorted(rows, key=_rank)


def _rank(row: Compared) -> tuple[int, float]:
    value = row.rel_diff
    if value is None:
        return 2, 0.0
    return (1, -value) if math.isfinite(value) else (0, 0.0)


def relative(value: float | None) -> str:
    """Say how much two vectors differ; nothing if that is not finite.

    >>> relative(0.25), relative(None)
    ('|a-b| 0.25 x the smaller norm', '')
    """
    return "" if value is None or not math.isfinite(value) else f"|a-b| {figure(value)} x the smaller norm"


def listed(names: Sequence[str], most: int, room: Room, indent: int) -> list[str]:
    """List at most `most` names, shortened to fit a terminal behind `indent` cells, and say how many more there are."""
    shown = list(map(printable, names[:most]))
    shown = shown if room.whole else shortened(shown, room.width - indent - len(", and 1,000 more"), room.mark)
    return in_words([*shown, *names[most:]], most)


def in_words(parts: Sequence[str], most: int) -> list[str]:
    """Return at most `most` parts of a list with commas, and how many more there are.

    >>> in_words(["0-2", "5", "7"], 2)
    ['0-2,', '5, and 1 more']
    """
    found = [f"{part}," for part in parts[:most]]
    found[-1] = found[-1][:-1] if len(parts) <= most else f"{found[-1]} and {len(parts) - most:,} more"
    return found


class Table:
    """A table of names with the figures of a comparison, and with more columns that its screen has."""

    def __init__(self, room: Room, title: str, more: Sequence[str] = (), *, by_number: bool = False) -> None:
        self._room, self._title, self._more, self._by_number = room, title, more, by_number
        self._names: list[str] = []
        self._never: tuple[str, ...] = ()
        self._rows: list[tuple[list[str | Span], list[str], str]] = []

    def add(self, name: str, row: Compared, note: str = "", more: Sequence[str] = ()) -> None:
        """Add a row; `note` stands behind it."""
        self._names.append(printable(name))
        norms = figure(row.norm_a), figure(row.norm_b), near_one(row.norm_ratio)
        apart = _nonfinite_in(row) or figure(row.rel_diff)
        shown: list[str | Span] = [_marked(text) for text in (*norms, near_one(row.cosine), apart)]
        self._rows.append((shown, list(more), note))

    def leave_out(self, heads: tuple[str, ...]) -> None:
        """Show none of these columns."""
        self._never = heads

    def lines(self) -> Iterator[Line]:
        """Yield the heading and the rows; a terminal gets shorter names, and fewer columns if need be."""
        left = next((some for some in ((), *_LEFT_OUT) if self._fits(some)), _LEFT_OUT[-1])
        names = self._names
        if not self._room.whole:
            names = shortened(names, max(_LEAST, self._room.width - self._width(left)), self._room.mark)
        table = self._table(left, names)
        head, *body = aligned(table, [self._by_number, *[True] * (len(table[0]) - 2), False], indent=1)
        title = self._title
        yield tuple(Span(span.text, "strong" if span.text == title else "dim") for span in head)
        yield from body

    def _table(self, left: Sequence[str], names: Sequence[str]) -> list[list[str | Span]]:
        kept = [k for k, head in enumerate(_HEADS) if head not in (*left, *self._never)]
        rows: list[list[str | Span]] = [[self._title, *(_HEADS[k] for k in kept), *self._more, ""]]
        for name, (shown, more, note) in zip(names, self._rows, strict=True):
            rows.append([name, *(shown[k] for k in kept), *more, note])
        return rows

    def _width(self, left: Sequence[str]) -> int:
        """Return the width of the table without names and notes."""
        table = [["", *row[1:-1], ""] for row in self._table(left, self._names)]
        return width_of(table)

    def _fits(self, left: Sequence[str]) -> bool:
        need = min(_LEAST, max(map(cells, [*self._names, self._title])))
        return self._room.whole or self._width(left) + max(need, cells(self._title)) <= self._room.width


def _nonfinite_in(row: Compared) -> str:
    """Say which side holds NaN or infinities, which have no difference; nothing if neither does.

    >>> from gradclip_cli.reports.diff import DiffBlock
    >>> _nonfinite_in(DiffBlock("h", 1, 1, 3.0, math.nan)), _nonfinite_in(DiffBlock("h", 1, 1, math.inf, math.inf))
    ('NaN in b', 'Inf in both')
    """
    found = {side: value for side, value in (("a", row.norm_a), ("b", row.norm_b)) if value is not None}
    broken = [side for side, value in found.items() if not math.isfinite(value)]
    if not broken:
        return ""
    word = "NaN" if any(math.isnan(value) for value in found.values()) else "Inf"
    return f"{word} in {'both' if len(broken) > 1 else broken[0]}"


def _marked(text: str) -> str | Span:
    return bad(text) if text in ("nan", "inf") or text.startswith(("NaN", "Inf")) else text
