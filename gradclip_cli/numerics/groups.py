"""Hold groups of indices in two arrays: the lists of a million groups of one would take a hundred megabytes."""

from collections.abc import ItemsView, Iterable, Iterator, Mapping, Sequence, ValuesView
from functools import cached_property
from itertools import chain, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


class Groups(Sequence[Sequence[int]]):
    """Groups of indices, none of them empty: group `k` is `members[starts[k] : starts[k + 1]]`, a list made on access.

    `members` is (indices,), `starts` (groups + 1,).
    """

    def __init__(self, members: Ints, starts: Ints) -> None:
        self.members, self.starts = members, starts

    @classmethod
    def of(cls, groups: Sequence[Iterable[int]]) -> "Groups":
        """Take groups that are lists or ranges."""
        if isinstance(groups, cls):
            return groups
        if len(groups) == 1 and isinstance(groups[0], range):
            return cls(np.asarray(groups[0], np.int64), np.array([0, len(groups[0])]))
        # What is a list is told from other sequences ten times faster.
        lists = [one if isinstance(one, (list, Sequence)) else list(one) for one in groups]
        starts = np.cumsum([0, *map(len, lists)])
        return cls(np.fromiter(chain.from_iterable(lists), np.int64, int(starts[-1])), starts)

    @classmethod
    def of_one_each(cls, members: Ints) -> "Groups":
        """Make a group of each index."""
        return cls(members, np.arange(members.size + 1))

    @property
    def firsts(self) -> Ints:
        """The first index of each group."""
        return self.members[self.starts[:-1]]

    @property
    def are_single(self) -> bool:
        """Whether each group has one index."""
        return len(self) == self.members.size

    @cached_property
    def as_range(self) -> range | None:
        """The indices of all groups, where each is one more than that before it; None where they are not."""
        first, size = int(self.members[0]) if self.members.size else 0, self.members.size
        return range(first, first + size) if (self.members == np.arange(first, first + size)).all() else None

    @cached_property
    def of_more_than_two(self) -> list[tuple[int, int, int]]:
        """The groups of more than two indices, with where they start and end in `members`."""
        starts = self.starts.tolist()
        return [(k, starts[k], starts[k + 1]) for k in np.flatnonzero(np.diff(self.starts) > 2).tolist()]

    def joined(self, starts: Ints) -> "Groups":
        """Return groups of groups, given the number of the first of each, and at the end the number of groups."""
        return Groups(self.members, self.starts[starts])

    def __len__(self) -> int:
        return self.starts.size - 1

    def __getitem__(self, k: Any) -> Any:
        if isinstance(k, slice):
            return [self[one] for one in range(len(self))[k]]
        k = range(len(self))[k]
        found: list[int] = self.members[self.starts[k] : self.starts[k + 1]].tolist()
        return found

    def __iter__(self) -> Iterator[Sequence[int]]:
        members = self.members.tolist()
        return iter(members[a:b] for a, b in pairwise(self.starts.tolist()))


_FEW = 8


class NamedGroups(Mapping[str, Sequence[int]]):
    """Map names to groups of indices; names are looked up in a table, which is made once several were asked for."""

    def __init__(self, names: Sequence[str], groups: Groups) -> None:
        self.names, self.groups = names, groups
        self._asked = 0

    @cached_property
    def _place(self) -> dict[str, int]:
        return {name: k for k, name in enumerate(self.names)}

    def __getitem__(self, name: str) -> Sequence[int]:
        self._asked += 1
        try:
            place = self.names.index(name) if self._asked <= _FEW else self._place[name]
        except ValueError:
            raise KeyError(name) from None
        found: Sequence[int] = self.groups[place]
        return found

    def __contains__(self, name: object) -> bool:
        return name in self._place

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def values(self) -> ValuesView[Sequence[int]]:
        """Return the groups, in order."""
        return _Values(self)

    def items(self) -> ItemsView[str, Sequence[int]]:
        """Return names and groups, in order."""
        return _Items(self)


class _Values(ValuesView[Sequence[int]]):
    _mapping: NamedGroups

    def __iter__(self) -> Iterator[Sequence[int]]:
        return iter(self._mapping.groups)


class _Items(ItemsView[str, Sequence[int]]):
    _mapping: NamedGroups

    def __iter__(self) -> Iterator[tuple[str, Sequence[int]]]:
        return zip(self._mapping.names, self._mapping.groups, strict=True)


def groups_of(named: Mapping[str, Sequence[int]]) -> Sequence[Sequence[int]]:
    """Return the groups under all names, in order."""
    return named.groups if isinstance(named, NamedGroups) else list(named.values())


def firsts_of(named: Mapping[str, Sequence[int]]) -> Ints:
    """Return the first index under each name."""
    if isinstance(named, NamedGroups):
        return named.groups.firsts
    return np.fromiter((indices[0] for indices in named.values()), np.int64, len(named))
