"""The order of rows: by the values of one column, what has none last."""

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar

from gradclip_cli.errors import UsageError
from gradclip_cli.inputs.naming import natural

Row = TypeVar("Row")


class Order(NamedTuple):
    """A column to sort by."""

    column: str
    descending: bool = False

    def __str__(self) -> str:
        return f"{self.column}:desc" if self.descending else self.column


def parse_order(text: str) -> Order:
    """Parse `COLUMN` or `COLUMN:desc`.

    >>> parse_order("norm:desc")
    Order(column='norm', descending=True)
    """
    column, colon, direction = text.partition(":")
    if colon and direction != "desc":
        raise UsageError(f"{text!r} is not COLUMN or COLUMN:desc")
    return Order(column.strip(), bool(colon))


def ordered(rows: Iterable[Row], order: Order, value: Callable[[Row, str], Any]) -> list[Row]:
    """Sort rows by `value(row, column)`: numbers as numbers, text in natural order; rows of equal values stay as they were.

    >>> ordered(["w10", None, "w2"], Order("name"), lambda row, column: row)
    ['w2', 'w10', None]
    """
    keyed = [(_key(value(row, order.column)), row) for row in rows]
    known = [(key, row) for key, row in keyed if key is not None]
    known.sort(key=lambda pair: pair[0], reverse=order.descending)
    return [row for _, row in known] + [row for key, row in keyed if key is None]


def _key(value: Any) -> tuple[int, Any] | None:
    """Return what a value is compared by; numbers come before text, and what is not a number compares with nothing."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, int | float):
        return 0, value
    items = [value] if isinstance(value, str) else list(value)
    if all(isinstance(item, str) for item in items):
        return 1, [natural(item) for item in items]
    return 2, items
