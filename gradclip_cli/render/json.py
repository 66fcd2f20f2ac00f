"""Strict JSON: what is not finite is a text, numbers are the shortest that read back as the same float64."""

import json
import math
from collections.abc import Iterator
from dataclasses import fields
from json.encoder import encode_basestring_ascii
from operator import attrgetter
from typing import IO, TYPE_CHECKING, Any

from gradclip_cli import __version__
from gradclip_cli.report import Report
from gradclip_cli.rows import Rows
from gradclip_cli.thresholds.summary import Summary

if TYPE_CHECKING:
    from gradclip_cli.render.view import View

_PERSONAL = frozenset(
    {"labels", "series", "notes", "failed", "own", "advised", "energy_lost", "longest_run", "reason"}
) | {
    *("peak_before", "peak_after", "params_clipped", "limited"),  # of the layers of apply
    *("inputs", "overall", "shape_a", "shape_b", "dtype_a", "dtype_b"),  # of diff
}
_OPTIONAL = frozenset({"tries", "replay", "replay_groups"})
"""Left out where they are None, rather than null."""

_encode = json.JSONEncoder(allow_nan=False).encode
_FIGURES = tuple(field.name for field in fields(Summary))
_SUMMARY = ", ".join(f'"{name}": {{}}' for name in _FIGURES)
_figures = attrgetter(*_FIGURES)
_SCHEMAS = {
    "ApplyReport": "gradclip.apply/1",
    "StatsReport": "gradclip.stats/1",
    "CheckReport": "gradclip.check/1",
    "DiffReport": "gradclip.diff/1",
    "LsReport": "gradclip.ls/1",
    "StrategiesReport": "gradclip.strategies/1",
}


def write(report: Report, stream: IO[str], view: "View") -> None:
    """Write the whole report, whatever is wanted of it: one line a row, and nothing but ASCII, which no terminal obeys."""
    head = {"schema": _SCHEMAS[type(report).__name__], "version": __version__}
    found = report._asdict().items()
    given = {name: value for name, value in found if value is not None or name not in _OPTIONAL}
    stream.writelines(_table({**head, **given}, " "))
    stream.write("\n")


def _table(items: dict[str, Any], indent: str) -> Iterator[str]:
    """Yield the text of an object, in parts: there may be a million rows in it."""
    start = "{"
    for name, value in items.items():
        if name not in _PERSONAL:
            yield f"{start}{_encode(name)}: "
            yield from _value(value, indent + " ")
            start = f",\n{indent}"
    yield "}"


def _value(value: Any, indent: str) -> Iterator[str]:
    """Yield the text of a value; rows stand one below the other."""
    if not isinstance(value, list | Rows) or not value or not hasattr(value[0], "_asdict"):
        yield _encode(plain(value))
        return
    start = f"[\n{indent}"
    for row in value:
        yield start
        if type(row).__name__ == "ApplyDump":
            yield from _table(row._asdict(), indent + " ")
        else:
            yield _row(row)
        start = f",\n{indent}"
    yield "]"


def _row(row: Any) -> str:
    """Encode a row on one line, twice as fast as the library, which is told of each row anew."""
    parts = []
    for name, value in zip(row._fields, row, strict=True):
        if type(value) is Summary:
            parts.append(_summary(value))
        elif name not in _PERSONAL:
            parts.append(f'"{name}": {_atom(value)}')
    return f"{{{', '.join(parts)}}}"


def _summary(summary: Summary) -> str:
    """Encode the figures; of one sample nearly all are the same."""
    if summary.count == 1:
        one = _atom(summary.mean)
        return _SUMMARY.format(1, summary.nonfinite, one, 0.0, one, 0.0, one, one, one, one, one)
    return _SUMMARY.format(*[_atom(_figure(value)) for value in _figures(summary)])


def _atom(value: Any) -> str:
    if type(value) is str:
        return encode_basestring_ascii(value)
    if type(value) is float:
        return repr(value) if math.isfinite(value) else f'"{value}"'
    if type(value) is int:
        return str(value)
    if type(value) is tuple and set(map(type, value)) <= {int}:
        return str(list(value))
    return _encode(plain(value))


def encoded(tree: dict[str, Any]) -> str:
    """Encode the values of a row on one line."""
    try:
        return _encode(tree)
    except ValueError:
        return _encode({name: plain(value) for name, value in tree.items()})


def names(kind: type) -> tuple[str, ...]:
    """Return the names under which the values of a kind of row are written."""
    if kind is Summary:
        return _FIGURES
    fields: tuple[str, ...] = kind._fields  # type: ignore[attr-defined]
    groups = (_FIGURES if name == "summary" else (name,) for name in fields if name not in _PERSONAL)
    return tuple(name for group in groups for name in group)


def plain(value: Any) -> Any:
    """Turn reports into what JSON knows; summaries stand among the fields of their owner."""
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Summary):
        return {name: _figure(getattr(value, name)) for name in _FIGURES}
    if hasattr(value, "_fields"):
        tree: dict[str, Any] = {}
        for name, item in value._asdict().items():
            if name == "summary":
                tree |= plain(item)
            elif name not in _PERSONAL:
                tree[name] = plain(item)
        return tree
    return [plain(item) for item in value] if isinstance(value, list | tuple | Rows) else value


def _figure(value: float) -> float | None:
    """A figure of no samples is not a number, and null says so."""
    return None if math.isnan(value) else value
