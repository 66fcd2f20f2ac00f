"""Write reports as text. A new output format is a module with a function that writes any report, and a line in RENDERERS."""

from collections.abc import Callable
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from gradclip_cli.render.view import View
    from gradclip_cli.reports.base import Report

Renderer = Callable[["Report", IO[str], "View"], None]


def _table(format: str) -> Renderer:
    from gradclip_cli.render.table_report import write

    return write


def _json(format: str) -> Renderer:
    from gradclip_cli.render.json_report import write, write_records

    return write if format == "json" else write_records


def _delimited(format: str) -> Renderer:
    from gradclip_cli.render.delimited import write_csv, write_tsv

    return write_csv if format == "csv" else write_tsv


def _markdown(format: str) -> Renderer:
    from gradclip_cli.render.markdown import write

    return write


RENDERERS: dict[str, Callable[[str], Renderer]] = {
    "table": _table,
    "json": _json,
    "ndjson": _json,
    "csv": _delimited,
    "tsv": _delimited,
    "md": _markdown,
}
"""The output formats, each with a function that imports its renderer."""

FORMATS = tuple(RENDERERS)


def write(report: "Report", stream: IO[str], view: "View") -> None:
    """Write a report to a stream as a view shows it."""
    RENDERERS[view.format](view.format)(report, stream, view)
