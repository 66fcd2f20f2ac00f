"""Strict JSON: what is not finite is a text, numbers are the shortest that read back as the same float64."""

import json
import math
from collections.abc import Callable, Iterator
from functools import cache
from json.encoder import encode_basestring_ascii
from typing import IO, TYPE_CHECKING, Any

from gradclip_cli import __version__
from gradclip_cli.lazy_rows import Rows
from gradclip_cli.render.lines import write_lines
from gradclip_cli.report import Report
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
_FIGURES = Summary._fields
_SUMMARY = ", ".join(f'"{name}": %s' for name in _FIGURES)
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
    write_lines(stream, _table({**head, **given}, " "))
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
        if type(row).__name__ == "ApplyDump":
            yield start
            yield from _table(row._asdict(), indent + " ")
        else:
            yield start + _row(row)
        start = f",\n{indent}"
    yield "]"


def _row(row: Any) -> str:
    """Encode a row on one line, several times as fast as the library, which is told of each row anew."""
    template, kept = _line_of(row.__class__)
    return template % tuple([_atom(row[k]) for k in kept])


@cache
def _line_of(kind: Any) -> tuple[str, list[int]]:
    """Return the text of a row with gaps for its values, and which of them belong there."""
    kept = [(k, name) for k, name in enumerate(kind._fields) if name not in _PERSONAL]
    parts = ["%s" if name == "summary" else f'"{name}": %s' for _, name in kept]
    return f"{{{', '.join(parts)}}}", [k for k, _ in kept]


def _atom(value: Any) -> str:
    return _ATOMS.get(type(value), _other)(value)


def _summary(summary: Summary) -> str:
    """Encode the figures; of one sample nearly all are the same."""
    if summary.count == 1:
        one = _float(summary.mean)
        return _SUMMARY % (1, summary.nonfinite, one, "0.0", one, "0.0", one, one, one, one, one)
    return _SUMMARY % tuple([_atom(_figure(value)) for value in summary])


def _float(value: float) -> str:
    return repr(value) if math.isfinite(value) else f'"{value}"'


def _tuple(value: tuple[Any, ...]) -> str:
    return str(list(value)) if set(map(type, value)) <= {int} else _other(value)


def _other(value: Any) -> str:
    return _encode(plain(value))


_ATOMS: dict[type, Callable[[Any], str]] = {
    str: encode_basestring_ascii,
    float: _float,
    int: str,
    Summary: _summary,
    tuple: _tuple,
}


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
