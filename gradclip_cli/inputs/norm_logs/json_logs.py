"""Logs in JSON: the `trainer_state.json` of HF, a list of rows, lists by column, or an object a line."""

import json
import re
from collections.abc import Mapping, Sequence

from gradclip_cli.errors import InputError
from gradclip_cli.inputs.norm_logs.collector import Collector
from gradclip_cli.inputs.norm_logs.layout import LogLayout
from gradclip_cli.inputs.norm_logs.lines import Lines
from gradclip_cli.inputs.norm_logs.rows import Rows
from gradclip_cli.inputs.norm_logs.stream import LogStream

_HISTORY = "log_history"
_ROW = re.compile(rb"\[\s*+\{")
_OBJECT = re.compile(rb"\{\s*+\"[^\"]*+\"\s*+:")
_SPACE = b" \t\r\n\xef\xbb\xbf"
_LONGEST = 1 << 24
"""The longest line that is read whole."""

_FIRST = 20
"""The columns of so many lines are looked at, whatever they hold, to be named where none of them is a norm."""


def _is_trainer_state(head: bytes) -> bool:
    return head.lstrip(_SPACE).startswith(b"{") and b'"log_history"' in head


def _read_trainer_state(stream: LogStream, into: Collector) -> None:
    """Read the norms of a `trainer_state.json`, and how often it logs."""
    tree = _parsed(stream)
    history = tree.get(_HISTORY) if isinstance(tree, dict) else None
    if not isinstance(tree, dict) or not isinstance(history, list):
        raise InputError(f"is JSON, but its {_HISTORY} is no list as in a trainer_state.json", path=stream.path)
    _take(history, into)
    every = tree.get("logging_steps")
    into.every = every if isinstance(every, int) else None


def _is_table(head: bytes) -> bool:
    """Whether a log is one value of JSON: a list of objects, or an object over several lines or without any line's end."""
    text = head.lstrip(_SPACE)
    return _ROW.match(text) is not None or (_OBJECT.match(text) is not None and not _is_lines(head))


def _read_table(stream: LogStream, into: Collector) -> None:
    """Read the norms of a list of rows, or of lists by column."""
    tree = _parsed(stream)
    if isinstance(tree, list):
        return _take(tree, into)
    columns = (
        {name: values for name, values in tree.items() if isinstance(values, list)} if isinstance(tree, dict) else {}
    )
    lengths = {len(values) for values in columns.values()}
    if columns and len(lengths) == 1:
        return _take([dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)], into)
    what = f"is JSON, but neither rows of numbers nor lists of the same length, nor is there a {_HISTORY} in it"
    raise InputError(f"{what}; give a trainer_state.json, an object a line, or CSV", path=stream.path)


def _is_lines(head: bytes) -> bool:
    """Whether each line is an object; the last line that the head holds may be cut."""
    lines = [line for line in head.lstrip(_SPACE).split(b"\n")[:3] if line.strip()]
    if not lines or not lines[0].startswith(b"{"):
        return False
    first = _object(lines[0]) if len(lines) > 1 or head.rstrip().endswith(b"}") else None
    return first is not None and (len(lines) > 1 or not any(isinstance(value, list) for value in first.values()))


def _read_lines(stream: LogStream, into: Collector) -> None:
    """Read the norms of objects, one a line; lines that are none are passed over."""
    for line in stream.head.split(b"\n")[:_FIRST]:
        for name in _object(line) or ():
            into.series(name)
    wanted = into.options.column
    word = b"norm" if wanted is None else json.dumps(wanted.lower().rpartition("/")[2])[1:-1].encode()
    rows = Rows(into)
    for line in Lines(stream.blocks(), [word], _LONGEST):
        if (row := _object(line)) is not None:
            rows.take(row)


def _object(line: bytes) -> dict[str, object] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _take(history: Sequence[object], into: Collector) -> None:
    rows = Rows(into)
    for row in history:
        if isinstance(row, Mapping):
            rows.take(row)


def _parsed(stream: LogStream) -> object:
    data = b"".join(stream.blocks())
    try:
        return json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"is no complete JSON: {error}; wait until it is written to the end", path=stream.path
        ) from error


TRAINER_STATE = LogLayout("trainer_state", "trainer_state.json", _is_trainer_state, _read_trainer_state)
LINES = LogLayout("json-lines", "lines of JSON", _is_lines, _read_lines, by_line=True)
TABLE = LogLayout("json", "JSON", _is_table, _read_table)
