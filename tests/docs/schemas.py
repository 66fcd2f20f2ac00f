"""The JSON of the reports as JSON Schema: keys from what the program writes, types and texts from the report types."""

import json
import os
import tempfile
import types
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, Union, get_args, get_origin, get_type_hints
from unittest import mock

import numpy as np
from support.report_types import report_types

import gradclip_cli
from docs.command_line import table
from docs.fields import MEANINGS
from docs.places import DOCS, SAMPLES
from docs.session import in_process
from gradclip_cli.render.records import names

SUMMARY = "Summary"
"""The type whose fields stand among those of the row that has one."""

SCHEMAS = DOCS / "reference" / "schemas"
STEP = "sample_data/char_lstm/step_0000{}.safetensors"
CALLS = {
    "apply": ["apply sample_data/char_lstm --dry-run -s ClipL2PerLayer -t 1", "apply counter.npz --dry-run -s none"],
    "stats": [
        "stats sample_data/char_lstm",
        "stats sample_data/char_lstm --rule autoclip:10 -s clip-by-global-norm --try ClipL2PerLayer:mad:5",
        "stats sample_data/char_lstm --rule autoclip:10 -s ClipL2PerLayer",
        f"stats {STEP.format(9)} --cache",
        "stats sample_data/char_lstm --weights sample_data/char_lstm_weights --lr 0.05",
    ],
    "check": ["check sample_data/char_lstm"],
    "diff": [f"diff {STEP.format(8)} {STEP.format(9)}", "diff sample_data/char_lstm sample_data/char_lstm_hdf5"],
    "show": [f"show {STEP.format(9)}", "show broken.npz weight"],
    "ls": [f"ls {STEP.format(9)}"],
    "cache": ["cache info"],
    "strategies": ["strategies"],
}
"""Calls that between them show every key: only a key that all calls of a command show is always there."""

_NUMBER = {"anyOf": [{"type": "number"}, {"enum": ["nan", "inf", "-inf"]}]}
_ATOMS: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    bool: {"type": "boolean"},
    float: {"$ref": "#/$defs/number"},
    types.NoneType: {"type": "null"},
}


@cache
def outputs(command: str) -> list[dict[str, Any]]:
    """Return the JSON that a command writes about the sample data, call by call."""
    with tempfile.TemporaryDirectory(prefix="gradclip-docs-") as folder:
        Path(folder, "sample_data").symlink_to(SAMPLES)
        np.savez(Path(folder, "counter.npz"), steps=np.array([7]), weight=np.ones(2, np.float32))
        np.savez(Path(folder, "broken.npz"), weight=np.array([1, np.nan, np.inf], np.float32))
        with mock.patch.dict(os.environ, {"XDG_CACHE_HOME": folder}):
            return [
                json.loads(in_process([*call.split(), "-f", "json"], Path(folder)).output) for call in CALLS[command]
            ]


def schema(command: str) -> dict[str, Any]:
    """Return the JSON Schema of the report of a command."""
    kind = report_types()[f"{command.capitalize()}Report"]
    body = _object(kind, outputs(command))
    body["properties"]["schema"] = {"const": f"gradclip.{command}/1"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"gradclip {command} -f json",
        **body,
        "$defs": {"number": {"description": "A float64; what is not finite is a text.", **_NUMBER}},
    }


def schema_text(command: str) -> str:
    """Return the file that holds the schema of a command."""
    return json.dumps(schema(command), indent=1, ensure_ascii=False) + "\n"


def _object(kind: Any, examples: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the schema of a named tuple from what it became in JSON; a `summary` stands among the fields of its owner."""
    hints = _flat(kind)
    names = dict.fromkeys(name for example in examples for name in example)
    properties = {name: _property(kind, name, hints.get(name, str), examples) for name in names}
    required = [name for name in names if all(name in example for example in examples)]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _flat(kind: Any) -> dict[str, Any]:
    """Return the annotations of a row, those of its summary in place of it; a figure of no samples is null."""
    hints = get_type_hints(kind)
    if kind.__name__ == SUMMARY:
        return {name: hint if hint is int else hint | None for name, hint in hints.items()}
    summary = hints.pop("summary", None)
    return hints if summary is None else hints | _flat(summary)


def _property(kind: Any, name: str, hint: Any, examples: Sequence[dict[str, Any]]) -> dict[str, Any]:
    found = _type(hint, [example[name] for example in examples if example.get(name) is not None])
    return {"description": MEANINGS.get(f"{kind.__name__}.{name}") or MEANINGS[name], **found}


def _type(hint: Any, examples: Sequence[Any]) -> dict[str, Any]:
    """Return the schema of a value from its annotation; examples tell which fields of named tuples are written."""
    if hint in _ATOMS:
        return _ATOMS[hint]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return {"anyOf": [_type(one, examples) for one in arguments]}
    if origin is dict:
        return {"type": "object", "additionalProperties": _type(arguments[1], ())}
    if origin is tuple and arguments[-1] is not Ellipsis:
        return {"type": "array", "prefixItems": [_type(one, ()) for one in arguments], "items": False}
    if origin is not None:
        rows = [row for example in examples if isinstance(example, list) for row in example]
        return {"type": "array", "items": _type(arguments[0], rows)}
    if not hasattr(hint, "_fields"):
        raise SystemExit(f"no JSON type is known for {hint!r}")
    return _object(hint, examples or [dict.fromkeys(names(hint))])  # the calls may show none


class Row(NamedTuple):
    """One line of the reference: where a value stands, what it is, and what it means."""

    path: str
    type: str
    meaning: str


def reference() -> str:
    """Return the tables of the reference, one a command."""
    return "\n\n".join(_section(command) for command in CALLS)


def type_directives() -> str:
    """Return the directives that document the types of the reports."""
    lines = [
        f".. autoclass:: {kind.__module__}.{name}\n   :no-members:"
        for name, kind in report_types().items()
        if name in gradclip_cli.__all__
    ]
    return "\n\n".join(["```{eval-rst}", *lines]) + "\n```"


def _section(command: str) -> str:
    rows = [(f"`{row.path}`", row.type, row.meaning) for row in _rows(schema(command), "")]
    link = f"[`{command}.schema.json`](schemas/{command}.schema.json)"
    return f"## {command}\n\nThe schema: {link}.\n\n{table(('key', 'type', 'meaning'), rows)}"


def _rows(node: dict[str, Any], path: str) -> list[Row]:
    rows = []
    for name, child in node.get("properties", {}).items():
        here = f"{path}.{name}" if path else name
        optional = "" if name in node["required"] else ", optional"
        meaning = f"`{child['const']}`" if "const" in child else child["description"]
        rows.append(Row(here, _words(child) + optional, meaning))
        for inner, mark in _inner(child):
            rows += _rows(inner, here + mark)
    return rows


def _inner(child: dict[str, Any]) -> list[tuple[dict[str, Any], str]]:
    """Return the objects inside a value, each with what its path adds."""
    inside = [pair for one in child.get("anyOf", []) for pair in _inner(one)]
    if "properties" in child:
        inside.append((child, ""))
    if "properties" in (items := child.get("items") or {}):
        inside.append((items, "[]"))
    return inside


def _words(child: dict[str, Any], s: str = "") -> str:
    """Return a type in a few words, in the plural with `s`.

    >>> _words({"type": "array", "items": {"prefixItems": [], "type": "array"}})
    'list of pairs of numbers'
    """
    if "anyOf" in child:
        return " or ".join(dict.fromkeys(_words(one, s) for one in child["anyOf"]))
    if "$ref" in child:
        return f"number{s}"
    if "prefixItems" in child:
        return f"pair{s} of numbers"
    if child.get("type") == "array":
        return f"list{s} of {_words(child['items'], 's')}"
    return f"string{s}" if "const" in child else f"{child['type']}{s}"
