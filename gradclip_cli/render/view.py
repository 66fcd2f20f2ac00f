"""What of a report is shown: its format, and the choice and the order of columns and rows."""

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from gradclip_cli.errors import UsageError
from gradclip_cli.render import flat
from gradclip_cli.render.order import Order, ordered
from gradclip_cli.report import ApplyReport
from gradclip_cli.text import with_all

if TYPE_CHECKING:
    from gradclip_cli.report import Report

Row = TypeVar("Row")

WHOLE = ("json",)
"""Formats that show the whole report, whatever a person might want to see of it."""

SEPARATED = ("csv", "tsv")
"""Formats that have a line of headings which can be left out."""


@dataclass(frozen=True, slots=True)
class View:
    """What is shown: tables of some `kinds`, all columns where none is named, and the first `top` rows in some order."""

    format: str = "table"
    kinds: frozenset[str] = frozenset(flat.KINDS)
    columns: tuple[str, ...] = ()
    order: Order | None = None
    top: int | None = None
    headers: bool = True
    color: bool = True

    def __post_init__(self) -> None:
        given = {"--columns": self.columns, "--sort": self.order, "--top": self.top}
        chosen = [option for option, value in given.items() if value]
        if self.format in WHOLE and chosen:
            raise UsageError(f"{chosen[0]} is for formats that have tables; {self.format} holds the whole report")
        if not self.headers and self.format not in SEPARATED:
            raise UsageError(f"--no-headers is for {' and '.join(SEPARATED)} only")

    @property
    def chooses(self) -> bool:
        """Whether not everything is shown as it comes."""
        return bool(self.columns or self.order or self.top)

    def check(self, kind: type) -> None:
        """Raise UsageError where a kind of report has no such columns, or no table that has them all."""
        known = flat.columns(kind, self.kinds)
        for column in (*self.columns, *([self.order.column] if self.order else [])):
            if column not in known:
                raise UsageError(_unknown(column, known))
        if len(set(self.columns)) < len(self.columns):
            raise UsageError("--columns names a column twice")
        if self.format in ("table", "md") and not any(
            set(self.columns) <= set(fields)
            for scope, fields in flat.scopes(kind, self.kinds).items()
            if not (kind is ApplyReport and scope == "total")  # which stands below the others
        ):
            raise UsageError(f"no table has all of the columns {', '.join(self.columns)}; csv, tsv and ndjson do")

    def names(self, kind: type) -> tuple[str, ...]:
        """Return the columns of the one table of csv, tsv and ndjson."""
        return self.columns or flat.columns(kind, self.kinds)

    def rows(self, report: "Report") -> Iterator[flat.Record]:
        """Yield the rows of that table; scopes that have none of the columns are left out."""
        own = set(self.columns) - set(flat.COMMON) or set(self.columns)
        for scope, fields in flat.scopes(type(report), self.kinds).items():
            if not own or own & set(fields):
                rows = flat.records(report, scope)
                yield from rows if scope == "total" else self.arranged(rows, dict.get)

    def arranged(self, rows: Iterable[Row], value: Callable[[Row, str], Any]) -> Iterator[Row]:
        """Sort rows by `value(row, column)`, and keep the first ones."""
        chosen = rows if self.order is None else ordered(rows, self.order, value)
        return islice(chosen, None if self.top is None else min(self.top, sys.maxsize))


def parse_columns(text: str) -> tuple[str, ...]:
    """Parse names of columns with commas between them."""
    return tuple(name.strip() for name in text.split(","))


def _unknown(column: str, known: tuple[str, ...]) -> str:
    listed = f"columns are {', '.join(known)}"
    return f"there is no column {column!r}; {with_all(column, known, listed)}"
