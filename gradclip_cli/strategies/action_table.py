"""Hold the actions on the tensors of a dump as columns: nearly always a few actions are shared by all."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.strategies.actions import Action

Value = TypeVar("Value")

_NONE = -1


class ActionTable(Mapping[int, Action]):
    """Map the indices of the tensors that change, in ascending order, to their actions.

    `codes` is (tensors,), int32: the place in `actions` of each tensor's, or -1 if it does not change.
    """

    def __init__(self, actions: Sequence[Action], codes: NDArray[np.int32]) -> None:
        self.actions, self.codes = actions, codes

    @property
    def indices(self) -> Sequence[int]:
        """The indices of the tensors that change."""
        found = np.flatnonzero(self.codes != _NONE)
        if found.size and found[-1] - found[0] == found.size - 1:
            return range(int(found[0]), int(found[-1]) + 1)
        indices: list[int] = found.tolist()
        return indices

    def __len__(self) -> int:
        return int(np.count_nonzero(self.codes != _NONE))

    def __iter__(self) -> Iterator[int]:
        return iter(self.indices)

    def __contains__(self, index: object) -> bool:
        return isinstance(index, int) and 0 <= index < self.codes.size and self.codes[index] != _NONE

    def __getitem__(self, index: int) -> Action:
        if index not in self:
            raise KeyError(index)
        return self.actions[int(self.codes[index])]

    def within(self, start: int, stop: int) -> "ActionTable":
        """Return the actions on tensors `start` to `stop`, counted from `start`."""
        return self if (start, stop) == (0, self.codes.size) else ActionTable(self.actions, self.codes[start:stop])


def actions_on(actions: Mapping[int, Action], first: int, count: int) -> list[Action | None]:
    """Return the action on each of `count` tensors from `first` on."""
    if not isinstance(actions, ActionTable):
        return [actions.get(index) for index in range(first, first + count)]
    every = [*actions.actions, None]  # the last one is that of -1
    return list(map(every.__getitem__, actions.codes[first : first + count].tolist()))


def indices_of(actions: Mapping[int, Action]) -> Sequence[int]:
    """Return the indices of the tensors that change, in ascending order."""
    return actions.indices if isinstance(actions, ActionTable) else sorted(actions)


def ascending(indices: Iterable[int]) -> Sequence[int]:
    """Return indices in ascending order; a range as it is."""
    return indices if isinstance(indices, range) and indices.step > 0 else sorted(indices)


def each_by_identity(actions: Sequence[Action | None], ask: Callable[[Action | None], Value]) -> list[Value]:
    """Return what is asked of each action, which is asked once of those that are the same object."""
    answers = {key: ask(action) for key, action in {id(action): action for action in actions}.items()}
    return [answers[id(action)] for action in actions]
