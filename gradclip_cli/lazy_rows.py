"""Rows that are made when they are looked at: a dump may hold a million tensors, and most of them nobody asks for."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar

Row = TypeVar("Row")


class LazyRows(Sequence[Row], Generic[Row]):
    """`make` of every item of `source`, each time anew."""

    def __init__(self, make: Callable[[Any], Row], source: Sequence[Any]) -> None:
        self._make, self._source = make, source

    def __eq__(self, other: object) -> bool:
        """Whether the rows are those of another sequence."""
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(list(self))

    def __reduce__(self) -> Any:
        """Pickle and copy the rows themselves, and not what they are made from."""
        return list, (list(self),)

    def __len__(self) -> int:
        return len(self._source)

    def __iter__(self) -> Iterator[Row]:
        return map(self._make, self._source)

    def __getitem__(self, index: Any) -> Any:
        found = self._source[index]
        return list(map(self._make, found)) if isinstance(index, slice) else self._make(found)
