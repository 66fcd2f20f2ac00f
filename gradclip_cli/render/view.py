"""Choose what to show of a report: its format, columns and rows, and the order of rows."""

import math
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from gradclip_cli.errors import UsageError
from gradclip_cli.inputs.naming import natural
from gradclip_cli.render.records import COMMON, KINDS, PAIRS, USUAL, Record, columns, records, scopes
from gradclip_cli.reports.apply import ApplyReport
from gradclip_cli.reports.base import Report
from gradclip_cli.text import with_all

Row = TypeVar("Row")

WHOLE = ("json",)
"""The formats that always hold the whole report."""

ALL = "all"
"""Stands for all kinds of tables that a report has."""

SEPARATED = ("csv", "tsv")
"""The formats with a line of headings, which can be left out."""


class Order(NamedTuple):
    """A column to sort by."""

    column: str
    descending: bool = False

    def __str__(self) -> str:
        return f"{self.column}:desc" if self.descending else self.column


@dataclass(frozen=True, slots=True)
class View:
    """What to show: tables of the given `kinds`, all columns if none are named, and the first `top` rows in `order`.

    `by` says that the user chose the kinds; where nothing is chosen, a table is one screen.
    """

    format: str = "table"
    kinds: frozenset[str] = frozenset(USUAL)
    columns: tuple[str, ...] = ()
    order: Order | None = None
    top: int | None = None
    headers: bool = True
    color: bool = True
    by: bool = True

    def __post_init__(self) -> None:
        given = {"--columns": self.columns, "--sort": self.order, "--top": self.top}
        chosen = [option for option, value in given.items() if value]
        if self.format in WHOLE and chosen:
            raise UsageError(f"{chosen[0]} is for formats that have tables; {self.format} holds the whole report")
        if not self.headers and self.format not in SEPARATED:
            raise UsageError(f"--no-headers is for {' and '.join(SEPARATED)} only")

    @property
    def chooses(self) -> bool:
        """Whether the view chooses columns or rows, or orders rows."""
        return bool(self.columns or self.order or self.top)

    @property
    def is_screen(self) -> bool:
        """Whether the report is shown on one screen instead of in tables."""
        return self.format == "table" and not self.by and not self.columns and not self.order

    @property
    def _totals_are_lines(self) -> bool:
        """Whether the totals of `apply` are the last lines of other tables, and have no table of their own."""
        return "step" not in self.kinds and bool(self.kinds & {"block", "kind", "layer", "param"})

    def check(self, kind: type[Report]) -> None:
        """Raise UsageError if a kind of report lacks one of the columns, or has no table with all of them."""
        known = columns(kind, self.kinds)
        for column in (*self.columns, *([self.order.column] if self.order else [])):
            if column not in known:
                raise UsageError(_unknown(column, known))
        if len(set(self.columns)) < len(self.columns):
            raise UsageError("--columns names a column twice")
        if self.format in ("table", "md") and not any(
            set(self.columns) <= set(fields)
            for scope, fields in scopes(kind, self.kinds).items()
            if not (kind is ApplyReport and scope == "total" and self._totals_are_lines)
        ):
            raise UsageError(f"no table has all of the columns {', '.join(self.columns)}; csv, tsv and ndjson do")

    def names(self, kind: type[Report]) -> tuple[str, ...]:
        """Return the columns of the table of csv, tsv and ndjson."""
        return self.columns or columns(kind, self.kinds)

    def rows(self, report: Report) -> Iterator[Record]:
        """Yield the rows of the table of csv, tsv and ndjson; leave out scopes that have none of the columns."""
        own = set(self.columns) - set(COMMON) or set(self.columns)
        for scope, fields in scopes(type(report), self.kinds).items():
            if not own or own & set(fields):
                rows = records(report, scope)
                yield from rows if scope == "total" else self.arranged(rows, dict.get)

    def arranged(self, rows: Iterable[Row], value: Callable[[Row, str], Any]) -> Iterator[Row]:
        """Sort rows by `value(row, column)` and yield the first ones."""
        chosen = rows if self.order is None else ordered(rows, self.order, value)
        return islice(chosen, None if self.top is None else min(self.top, sys.maxsize))


def parse_kinds(text: str, known: Sequence[str] = (*KINDS, ALL)) -> str:
    """Parse a kind of table or of rows, or two of them for a row of each pair, whichever comes first.

    Raise UsageError where there is no such kind; the message names those that are `known` to a command.

    >>> parse_kinds("layer"), parse_kinds("step,layer")
    ('layer', 'layer,step')
    """
    for kind in (text, ",".join(reversed(text.replace(" ", "").split(",")))):
        if kind in (*KINDS, *PAIRS, ALL):
            return kind
    raise UsageError(f"{text!r} is none of {', '.join(known)}; --by is repeatable")


def kinds_of(report: type[Report], chosen: Sequence[str]) -> frozenset[str]:
    """Return the kinds to show of a report; raise UsageError where it has no table of a kind that the user chose."""
    known = report.kinds
    for kind in chosen:
        if kind != ALL and kind not in known:
            name = report.schema.partition("/")[0].rpartition(".")[2]
            there = f"it has them by {', '.join(known)}" if known else "it has only one"
            raise UsageError(f"{name} has no tables by {kind}; {there}")
    if ALL in chosen:
        return frozenset(kind for kind in known if kind not in PAIRS).union(kind for kind in chosen if kind != ALL)
    usual = [kind for kind in known if kind in USUAL and (kind in report.scopes or "" in report.scopes)]
    return frozenset(chosen or usual or known)


def parse_columns(text: str) -> tuple[str, ...]:
    """Parse names of columns separated by commas."""
    return tuple(name.strip() for name in text.split(","))


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
    """Sort rows by `value(row, column)`: numbers by value, text in natural order; equal rows keep their order.

    >>> ordered(["w10", None, "w2"], Order("name"), lambda row, column: row)
    ['w2', 'w10', None]
    """
    keyed = [(_key(value(row, order.column)), row) for row in rows]
    known = [(key, row) for key, row in keyed if key is not None]
    known.sort(key=lambda pair: pair[0], reverse=order.descending)
    return [row for _, row in known] + [row for key, row in keyed if key is None]


def _key(value: Any) -> tuple[int, Any] | None:
    """Return the sort key of a value: numbers come before text. None and NaN have no key, and come last."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, int | float):
        return 0, value
    items = [value] if isinstance(value, str) else list(value)
    if all(isinstance(item, str) for item in items):
        return 1, [natural(item) for item in items]
    return 2, items


def _unknown(column: str, known: tuple[str, ...]) -> str:
    listed = f"columns are {', '.join(known)}"
    return f"there is no column {column!r}; {with_all(column, known, listed)}"
