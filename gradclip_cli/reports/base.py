"""What a report says of itself: its schema, where the rows of its table are, and which fields are not in its JSON."""

from collections.abc import Mapping, Sequence
from functools import cache
from types import NoneType
from typing import Annotated, Any, ClassVar, NamedTuple, Protocol, TypeVar, get_args, get_type_hints

Value = TypeVar("Value")

_TABLE_ONLY, _SECTION, _INLINED = "table only", "section", "inlined"

TableOnly = Annotated[Value, _TABLE_ONLY]
"""A field that only tables and messages show: JSON, csv, tsv and ndjson leave it out."""

Section = Annotated[Value | None, _SECTION]
"""A field of a report that JSON leaves out, rather than write null, where it is None."""

Inlined = Annotated[Value, _INLINED]
"""A field whose own fields stand among those of its row."""


class Report(Protocol):
    """What every command returns: a named tuple, whose fields have the names of the JSON's keys."""

    schema: ClassVar[str]
    """What the JSON is, and which version of it."""

    scopes: ClassVar[Mapping[str, str]]
    """Where the rows of each scope of csv are: a field, or a field of each row of another (`dumps.params`)."""

    @property
    def notes(self) -> Sequence[str]:
        """What a person is told on standard error beside the report."""


class Field(NamedTuple):
    """A field of a report or a row, `at` which place; `row` is the kind of rows that it holds, None where it holds no rows."""

    name: str
    at: int
    row: Any
    several: bool
    table_only: bool
    section: bool
    inlined: bool


@cache
def fields(kind: Any) -> tuple[Field, ...]:
    """Return the fields of a kind of report or row, with what their types say of them."""
    hints = get_type_hints(kind, include_extras=True)
    return tuple(_field(name, at, hints[name]) for at, name in enumerate(kind._fields))


@cache
def json_fields(kind: Any) -> tuple[Field, ...]:
    """Return those fields that JSON has."""
    return tuple(field for field in fields(kind) if not field.table_only)


@cache
def has_rows(kind: Any) -> bool:
    """Whether a kind of row holds rows itself, and so takes more than one line of JSON."""
    return any(field.several for field in json_fields(kind))


def rows_at(kind: Any, path: str) -> tuple[Any, ...]:
    """Return the kinds of what lies on a path of `scopes`: of the rows, and before it of what holds them, if not the report.

    Raises KeyError where there is no such field.
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
    """Return the type of a field that may be None without the None."""
    kinds = get_args(hint)
    return next(kind for kind in kinds if kind is not NoneType) if NoneType in kinds else hint
