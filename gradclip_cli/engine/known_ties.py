"""Remember which tensors of a series are tied, so that the same names count in all of its dumps."""

from collections.abc import Iterable, Sequence

Tie = tuple[str, ...]
"""The names of tensors with the same bits, in natural order: the first counts."""


class KnownTies:
    """The ties of a series so far: those of the first dump that holds both tensors are those of all dumps."""

    def __init__(self) -> None:
        self._first_of: dict[str, str] = {}  # by the name that does not count
        self._seen: set[str] = set()

    def settle(self, names: Iterable[str], ties: Sequence[Tie]) -> tuple[dict[str, str], dict[str, str]]:
        """Return the tied tensors of the next dump with what counts for each; those of earlier dumps, and those left apart."""
        held, apart = frozenset(names), dict[str, str]()
        for tie in ties:
            first, *others = sorted(tie, key=lambda name: name not in self._seen)  # what earlier dumps held goes on
            for name in others:
                if name in self._seen and first in self._seen:
                    if self._counting(name) != self._counting(first):
                        apart[name] = first
                else:
                    self._first_of[name] = first
        self._seen.update(held)
        tied = {name: self._counting(name, held) for name in self._first_of if name in held}
        return {name: first for name, first in tied.items() if first != name}, apart

    def _counting(self, name: str, held: frozenset[str] | None = None) -> str:
        """Return the name that counts for a tensor, among those that a dump holds."""
        found, first = name, self._first_of.get(name)
        while first is not None:
            found = first if held is None or first in held else found
            first = self._first_of.get(first)
        return found
