"""Turn a report into one rectangular table: records keyed by the names of the JSON, scope by scope, totals last."""

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import chain, islice
from typing import IO, Any

from gradclip_cli.lazy_rows import LazyRows
from gradclip_cli.reports.base import Report, json_fields, rows_at
from gradclip_cli.text import shown
from gradclip_cli.thresholds.base import Summary

Record = dict[str, Any]
"""The values of one row by column."""

KINDS = ("total", "block", "kind", "layer", "param", "step", "finding", "bin")
"""The kinds of tables and of rows that `--by` chooses from; `all` stands for all that a report has."""

PAIRS = ("layer,step", "block,step", "kind,step")
"""Kinds of rows by two of these, such as one for each layer and step."""

USUAL = ("total", "layer", "param", "step")
"""The kinds that are shown as tables or rows where none is chosen."""

COMMON = ("scope", "input", "step")
"""The first columns of a report with several scopes."""


def scopes(kind: type[Report], kinds: frozenset[str] = frozenset(USUAL)) -> dict[str, tuple[str, ...]]:
    """Return the columns of each scope of a kind of report among `kinds`; a report's only scope is always included.

    Where a report has no rows by step of their own, those of the totals of its dumps are.
    """
    kinds |= {"total"} if "step" in kinds and "step" not in kind.scopes else set()
    if len(kind.scopes) == 1:
        return {scope: names(rows_at(kind, path)[-1]) for scope, path in kind.scopes.items()}
    return {scope: _columns(*rows_at(kind, path)) for scope, path in kind.scopes.items() if scope in kinds}


def _columns(*kinds: Any) -> tuple[str, ...]:
    """Return the columns of a row: the scope, the common columns of the dump that holds it, and its own."""
    *holders, row = kinds
    held = [name for holder in holders for name in names(holder) if name in COMMON]
    return tuple(dict.fromkeys(("scope", *held, *names(row))))


def columns(kind: type[Report], kinds: frozenset[str] = frozenset(USUAL)) -> tuple[str, ...]:
    """Return the columns of all scopes among `kinds`, each once."""
    first = COMMON if len(kind.scopes) > 1 else ()
    return tuple(dict.fromkeys(chain(first, *scopes(kind, kinds).values())))


def records(report: Report, scope: str = "") -> Iterator[Record]:
    """Yield the records of one scope of a report."""
    holder, _, name = report.scopes[scope].rpartition(".")
    for held in getattr(report, holder) if holder else [report]:
        yield from _held(held, scope, name, bool(holder))


def records_of(report: Report, dump: Any, scope: str) -> Iterator[Record]:
    """Yield the records of one scope of one dump of a report."""
    return _held(dump, scope, report.scopes[scope].rpartition(".")[2], True)


def _held(holder: Any, scope: str, name: str, is_dump: bool) -> Iterator[Record]:
    common = {"scope": scope} if scope else {}
    if is_dump:
        common |= {column: getattr(holder, column) for column in COMMON if column in holder._fields}
    found = getattr(holder, name) or ()  # a section that the user has not asked for is None
    return ({**common, **record(row)} for row in ([found] if hasattr(found, "_fields") else found))


def record(row: Any) -> Record:
    """Return the values of a row; a figure of no samples is None, as in JSON."""
    if isinstance(row, Summary):
        return figures(row)
    values: Record = row._asdict()
    for name in _inlined(row.__class__):
        values |= figures(values.pop(name))
    return values


@cache
def _inlined(kind: Any) -> tuple[str, ...]:
    """Return the names of the fields that are inlined into their row."""
    return tuple(field.name for field in json_fields(kind) if field.inlined)


def names(kind: Any) -> tuple[str, ...]:
    """Return the names of the values of a kind of row, as in JSON."""
    return tuple(chain.from_iterable(f.row._fields if f.inlined else (f.name,) for f in json_fields(kind)))


def plain(value: Any) -> Any:
    """Convert a report, or a part of one, to what JSON can hold: NaN and infinities become strings."""
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Summary):
        return {name: plain(figure) for name, figure in figures(value).items()}
    if hasattr(value, "_fields"):
        return _tree(value)
    return [plain(item) for item in value] if isinstance(value, list | tuple | LazyRows) else value


def _tree(row: Any) -> Record:
    tree: Record = {}
    for field in json_fields(row.__class__):
        found = plain(row[field.at])
        tree |= found if field.inlined else {field.name: found}
    return tree


def figures(summary: Summary) -> Record:
    """Return the figures of a summary by name; a figure of no samples is NaN there, and None here."""
    return {name: None if math.isnan(value) else value for name, value in summary._asdict().items()}


def joined(value: str | Sequence[Any]) -> str:
    """Format a text, a shape, an index of an element, the paths of a dump in shards, or ranges of steps.

    >>> joined((2, 3)), joined(()), joined([2, 5]), joined(["a.npz", "b.npz"]), joined([(0, 2), (41, 41)])
    ('2x3', 'scalar', '[2, 5]', 'a.npz;b.npz', '0-2;41')
    """
    if isinstance(value, str):
        return value
    if all(isinstance(item, int) for item in value):
        if isinstance(value, list):
            return str(value) if value else ""
        return "x".join(map(str, value)) or "scalar"
    return ";".join(_range(item) if isinstance(item, tuple) else str(item) for item in value)


def _range(ends: tuple[Any, ...]) -> str:
    return "-".join(map(str, dict.fromkeys(ends)))


_AT_ONCE = 1000


def write_lines(stream: IO[str], lines: Iterable[str], left_out: str = "…") -> None:
    """Write lines, or other parts of a text, many at once: one write for each would be slow. Secrets of URLs are `left_out`."""
    rest = iter(lines)
    while some := list(islice(rest, _AT_ONCE)):
        stream.write(shown("".join(some), left_out))
