"""Write strict JSON: NaN and infinities as strings, other numbers as the shortest that read back as the same float64."""

import json
import math
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from json.encoder import encode_basestring_ascii
from types import NoneType
from typing import IO, Any

from gradclip_cli._version import __version__
from gradclip_cli.lazy_rows import LazyRows
from gradclip_cli.render.records import Record, plain, write_lines
from gradclip_cli.render.view import View
from gradclip_cli.reports.base import Report, has_rows, json_fields
from gradclip_cli.reports.stats_series import NamedNorms, NormSeries
from gradclip_cli.thresholds.base import Summary

_encode = json.JSONEncoder(allow_nan=False).encode
_LEFT_OUT = r"\u2026"


def write(report: Report, stream: IO[str], view: View) -> None:
    """Write the whole report, whatever the view: one row a line, in ASCII, so that a terminal obeys no control characters."""
    head = [("schema", report.schema), ("version", __version__)]
    write_lines(stream, _object([*head, *_items(report)], " "), _LEFT_OUT)
    stream.write("\n")


def write_records(report: Report, stream: IO[str], view: View) -> None:
    """Write a report as one table: each row is an object with the same keys, in ASCII."""
    names = view.names(type(report))
    rows = view.rows(report)
    lines = (_encode_record({name: row.get(name) for name in names}) + "\n" for row in rows)
    write_lines(stream, lines, _LEFT_OUT)


def encode_row(row: Any) -> str:
    """Encode a row as `json` encodes `plain(row)`, several times as fast, since the keys are encoded once for all rows."""
    template, kept = _template_of(row.__class__)
    values = row if kept is None else [row[k] for k in kept]
    return template % tuple([_encoder_of(type(value), _other)(value) for value in values])


def _encode_record(record: Record) -> str:
    """Encode values under their names; with this many columns, `json` is faster than `encode_row`."""
    try:
        return _encode(record)
    except ValueError:  # some value is not finite
        return _encode({name: plain(value) for name, value in record.items()})


def _items(row: Any) -> Iterator[tuple[str, Any]]:
    """Yield the names and values of the fields of a report or a row that belong in JSON."""
    for field in json_fields(row.__class__):
        value = row[field.at]
        if value is not None or not field.section:
            yield field.name, value


def _object(items: Iterable[tuple[str, Any]], indent: str) -> Iterator[str]:
    """Yield the text of an object in parts, since it may hold a million rows."""
    start = "{"
    for name, value in items:
        yield f"{start}{_encode(name)}: "
        yield from _value(value, indent + " ")
        start = f",\n{indent}"
    yield "}"


def _value(value: Any, indent: str) -> Iterator[str]:
    """Yield the text of a value; each row starts a line."""
    if isinstance(value, NormSeries | NamedNorms):
        yield from _object(_items(value), indent)
        return
    if isinstance(value, LazyRows) and value and isinstance(value[0], list):
        yield from _matrix(value, indent)
        return
    if not isinstance(value, list | LazyRows) or not value or not hasattr(value[0], "_fields"):
        yield _encode(plain(value))
        return
    start, nested = f"[\n{indent}", has_rows(value[0].__class__)
    for row in value:
        if nested:
            yield start
            yield from _object(_items(row), indent + " ")
        else:
            yield start + encode_row(row)
        start = f",\n{indent}"
    yield "]"


def _matrix(rows: LazyRows[list[float | None]], indent: str) -> Iterator[str]:
    """Yield the text of rows of numbers, of which there may be millions, each on a line."""
    start = f"[\n{indent}"
    for row in rows:
        try:
            yield start + _encode(row)
        except ValueError:  # some value is not finite
            yield start + _encode(plain(row))
        start = f",\n{indent}"
    yield "]"


@cache
def _template_of(kind: Any) -> tuple[str, list[int] | None]:
    """Return the format string of a kind of row, and the indices of the values that it takes; None for all of them."""
    kept = json_fields(kind)
    parts = ["%s" if field.inlined else _template((field.name,))[1:-1] for field in kept]
    indices = [field.at for field in kept]
    return f"{{{', '.join(parts)}}}", None if len(kept) == len(kind._fields) else indices


def _template(names: tuple[str, ...]) -> str:
    """Return the format string of an object with the given keys.

    >>> _template(("norm", "step"))
    '{"norm": %s, "step": %s}'
    """
    return f"{{{', '.join(f'{_encode(name)}: %s' for name in names)}}}"


def _atom(value: Any) -> str:
    return _ATOMS.get(type(value), _other)(value)


def _float(value: float) -> str:
    return repr(value) if math.isfinite(value) else f'"{value}"'


def _tuple(value: tuple[Any, ...]) -> str:
    return str(list(value)) if set(map(type, value)) <= {int} else _other(value)


def _figures(summary: Summary) -> str:
    """Encode figures without braces; those of one sample are nearly all the same number."""
    if summary.count == 1:
        found = _float(summary.mean).join(_ONE_SAMPLE)
        return found if not summary.nonfinite else found.replace('"nonfinite": 0', f'"nonfinite": {summary.nonfinite}')
    return _SUMMARY % tuple(["null" if math.isnan(value) else _atom(value) for value in summary])


def _other(value: Any) -> str:
    return _encode(plain(value))


_SUMMARY = _template(Summary._fields)[1:-1]
_ONE_SAMPLE = (_SUMMARY % (1, 0, "|", "0.0", "|", "0.0", *("|",) * 5)).split("|")
_ATOMS: dict[type, Callable[[Any], str]] = {
    str: encode_basestring_ascii,
    float: _float,
    int: str,
    bool: {True: "true", False: "false"}.__getitem__,
    NoneType: lambda _: "null",
    tuple: _tuple,
    Summary: _figures,
}
"""The encoders of the values of rows by exact type; summaries are inlined."""
_encoder_of = _ATOMS.get
