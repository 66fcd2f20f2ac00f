"""Describe a report: its schema, where the rows of its table are, and which fields JSON leaves out."""

from collections.abc import Mapping, Sequence
from functools import cache
from types import NoneType
from typing import Annotated, Any, ClassVar, NamedTuple, Protocol, TypeVar, get_args, get_type_hints

from gradclip_cli.notes import Note

Value = TypeVar("Value")

_TABLE_ONLY, _SECTION, _INLINED = "table only", "section", "inlined"

TableOnly = Annotated[Value, _TABLE_ONLY]
"""A field for tables and messages only: JSON, csv, tsv and ndjson leave it out."""

Section = Annotated[Value | None, _SECTION]
"""A field of a report that JSON leaves out if it is None, instead of writing null."""

Inlined = Annotated[Value, _INLINED]
"""A field whose own fields are inlined into its row."""


class Report(Protocol):
    """The result of a command: a named tuple whose fields are named like the keys of its JSON."""

    schema: ClassVar[str]
    """The name and the version of the JSON."""

    scopes: ClassVar[Mapping[str, str]]
    """The path to the rows of each scope of csv: a field, or a field of the rows of another field (`dumps.params`)."""

    kinds: ClassVar[tuple[str, ...]]
    """The kinds of its tables, which `--by` chooses."""

    @property
    def notes(self) -> Sequence[Note]:
        """The notes on it, one of a kind; they go to standard error, too."""


class Field(NamedTuple):
    """A field of a report or a row, number `at`; `row` is the kind of row that it holds, None if it holds none."""

    name: str
    at: int
    row: Any
    several: bool
    table_only: bool
    section: bool
    inlined: bool


@cache
def fields(kind: Any) -> tuple[Field, ...]:
    """Return the fields of a kind of report or row, as their type hints describe them."""
    hints = get_type_hints(kind, include_extras=True)
    return tuple(_field(name, at, hints[name]) for at, name in enumerate(kind._fields))


@cache
def json_fields(kind: Any) -> tuple[Field, ...]:
    """Return the fields that are in JSON."""
    return tuple(field for field in fields(kind) if not field.table_only)


@cache
def has_rows(kind: Any) -> bool:
    """Return whether a kind of row holds rows itself, and so takes more than one line of JSON."""
    return any(field.several for field in json_fields(kind))


def rows_at(kind: Any, path: str) -> tuple[Any, ...]:
    """Return the kinds of row on a path of `scopes`: the kind of the rows last, before it that of the dump that holds them.

    Raises KeyError if there is no such field.
    """
    found = []
    for name in path.split("."):
        kind = {field.name: field for field in fields(kind)}[name].row
        found.append(kind)
    return tuple(found)


def _field(name: str, at: int, hint: Any) -> Field:
    marks = getattr(hint, "__metadata__", ())
    kind = _not_none(get_args(hint)[0] if marks else hint)
    row = next((one for one in (kind, *get_args(kind)) if hasattr(one, "_fields")), None)
    several = row is not None and row is not kind
    return Field(name, at, row, several, _TABLE_ONLY in marks, _SECTION in marks, _INLINED in marks)


def _not_none(hint: Any) -> Any:
    """Return the type of a field without None."""
    kinds = get_args(hint)
    return next(kind for kind in kinds if kind is not NoneType) if NoneType in kinds else hint
