"""Strict JSON: what is not finite is a text, numbers are the shortest that read back as the same float64."""

import json
import math
from dataclasses import fields
from typing import IO, Any

from gradclip_cli import __version__
from gradclip_cli.report import Report
from gradclip_cli.summary import Summary

_FIGURES = tuple(field.name for field in fields(Summary))
_SCHEMAS = {
    "ApplyReport": "gradclip.apply/1",
    "StatsReport": "gradclip.stats/1",
    "LsReport": "gradclip.ls/1",
    "StrategiesReport": "gradclip.strategies/1",
}


def write(report: Report, stream: IO[str], kinds: frozenset[str]) -> None:
    """Write the whole report, whichever tables are wanted."""
    tree = {"schema": _SCHEMAS[type(report).__name__], "version": __version__, **plain(report)}
    for part in json.JSONEncoder(ensure_ascii=False, allow_nan=False, indent=2).iterencode(tree):
        stream.write(part)
    stream.write("\n")


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
            elif name != "notes":
                tree[name] = plain(item)
        return tree
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def _figure(value: float) -> float | None:
    """A figure of no samples is not a number, and null says so."""
    return None if math.isnan(value) else value
