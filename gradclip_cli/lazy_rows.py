"""Rows that are made on access: a dump may hold a million tensors, and few of their rows are ever shown."""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Row = TypeVar("Row")
Value = TypeVar("Value")


class LazyRows(Sequence[Row], Generic[Row]):
    """A read-only sequence whose row `k` is `make(source[k])`, made again on every access."""

    def __init__(self, make: Callable[[Any], Row], source: Sequence[Any]) -> None:
        self._make, self._source = make, source

    def __eq__(self, other: object) -> bool:
        """Compare the rows with those of another sequence."""
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(list(self))

    def __reduce__(self) -> Any:
        """Pickle and copy the rows as a list, without the source they are made from."""
        return list, (list(self),)

    def __len__(self) -> int:
        return len(self._source)

    def __iter__(self) -> Iterator[Row]:
        return map(self._make, self._source)

    def __getitem__(self, index: Any) -> Any:
        found = self._source[index]
        return list(map(self._make, found)) if isinstance(index, slice) else self._make(found)


class LaterRows(LazyRows[Row]):
    """Lazy rows whose source is not found before the first access, either."""

    def __init__(self, make: Callable[[Any], Row], find: Callable[[], Sequence[Any]]) -> None:
        self._make, self._find = make, find

    @cached_property
    def _source(self) -> Sequence[Any]:  # type: ignore[override]  # a field of the base
        return self._find()


class Coded(Sequence[Value], Generic[Value]):
    """A column of values of which few differ: value `k` is `values[codes[k]]`; `codes` is (rows,), of integers."""

    def __init__(self, values: Sequence[Value], codes: "NDArray[np.signedinteger[Any]]") -> None:
        self.values, self.codes = values, codes

    def __len__(self) -> int:
        return self.codes.size

    def __iter__(self) -> Iterator[Value]:
        return map(self.values.__getitem__, self.codes.tolist())

    def __getitem__(self, index: Any) -> Any:
        found = self.codes[index]
        return Coded(self.values, found) if found.ndim else self.values[int(found)]


def each(values: Sequence[Value], make: Callable[[Value], Row]) -> list[Row]:
    """Return what `make` makes of each value, once for all that are the same."""
    if not isinstance(values, Coded):
        return [make(value) for value in values]
    made = [make(value) for value in values.values]
    return [made[code] for code in values.codes.tolist()]


class Zipped(Sequence[tuple[Any, ...]]):
    """Columns of one length as a sequence of rows, each a tuple that is made on access."""

    def __init__(self, *columns: Sequence[Any]) -> None:
        self._columns = columns

    def __len__(self) -> int:
        return len(self._columns[0])

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return zip(*self._columns, strict=True)

    def __getitem__(self, index: Any) -> Any:
        found = [column[index] for column in self._columns]
        return list(zip(*found, strict=True)) if isinstance(index, slice) else tuple(found)
