"""Strict JSON: what is not finite is a text, numbers are the shortest that read back as the same float64."""

import json
import math
from dataclasses import fields, is_dataclass
from typing import IO, Any

from gradclip_cli import __version__
from gradclip_cli.report import ApplyReport, LsReport, Report, StatsReport, StrategiesReport
from gradclip_cli.summary import Summary

_SCHEMAS = {
    ApplyReport: "gradclip.apply/1",
    StatsReport: "gradclip.stats/1",
    LsReport: "gradclip.ls/1",
    StrategiesReport: "gradclip.strategies/1",
}


def write(report: Report, stream: IO[str], kinds: frozenset[str]) -> None:
    """Write the whole report, whichever tables are wanted."""
    tree = {"schema": _SCHEMAS[type(report)], "version": __version__, **plain(report)}
    for part in json.JSONEncoder(ensure_ascii=False, allow_nan=False, indent=2).iterencode(tree):
        stream.write(part)
    stream.write("\n")


def plain(value: Any) -> Any:
    """Turn reports into what JSON knows; summaries stand among the fields of their owner."""
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Summary):
        return {field.name: _figure(getattr(value, field.name)) for field in fields(value)}
    if is_dataclass(value):
        tree: dict[str, Any] = {}
        for field in fields(value):
            if field.name == "summary":
                tree |= plain(value.summary)
            elif field.name != "notes":
                tree[field.name] = plain(getattr(value, field.name))
        return tree
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def _figure(value: float) -> float | None:
    """A figure of no samples is not a number, and null says so."""
    return None if math.isnan(value) else value
