"""Notes: what a user must know about the figures of a report, each kind once."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

MOST = 8
"""The most lines of notes that are shown."""


class Note(NamedTuple):
    """Something that a user must know; `kind` is a short name that scripts can look for.

    `times` says how many times it holds: for how many dumps, or files, or tensors. `changes_figures` says that figures mean
    something else than without it, so that it is shown even if the user wants no output but errors.
    """

    kind: str
    text: str
    times: int = 1
    changes_figures: bool = False


def merged(notes: Iterable[Note]) -> list[Note]:
    """Merge the notes of each kind into the first of them, which says how many more there are.

    >>> [note.text for note in merged([Note("copies", "a.npz is a copy"), Note("copies", "b.npz is a copy")])]
    ['a.npz is a copy (and 1 more)']
    """
    kinds: dict[str, list[Note]] = {}
    for note in dict.fromkeys(notes):
        kinds.setdefault(note.kind, []).append(note)
    return [_as_one(alike) for alike in kinds.values()]


def lines(notes: Sequence[Note], quiet: bool = False) -> list[str]:
    """Return the lines to show, at most `MOST`; with `quiet`, only those that change the meaning of figures."""
    shown = [note for note in notes if note.changes_figures or not quiet]
    shown.sort(key=lambda note: not note.changes_figures)
    texts = [note.text for note in shown]
    if len(texts) <= MOST:
        return texts
    rest = len(texts) - MOST + 1
    return [*texts[: MOST - 1], f"{rest} more kinds of notes are in the report as JSON (-f json)"]


def _as_one(alike: Sequence[Note]) -> Note:
    first, times = alike[0], sum(note.times for note in alike)
    more = f" (and {len(alike) - 1:,} more)" if len(alike) > 1 else ""
    return first._replace(text=first.text + more, times=times)
