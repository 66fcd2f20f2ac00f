"""Reports as text: one line of the registry an output format."""

from collections.abc import Callable
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from gradclip_cli.render.view import View
    from gradclip_cli.reports.base import Report

Renderer = Callable[["Report", IO[str], "View"], None]


def _table() -> Renderer:
    from gradclip_cli.render.tables.write import write

    return write


def _json() -> Renderer:
    from gradclip_cli.render.json_report import write

    return write


def _ndjson() -> Renderer:
    from gradclip_cli.render.json_report import write_records

    return write_records


def _csv() -> Renderer:
    from gradclip_cli.render.delimited import write_csv

    return write_csv


def _tsv() -> Renderer:
    from gradclip_cli.render.delimited import write_tsv

    return write_tsv


def _markdown() -> Renderer:
    from gradclip_cli.render.markdown import write

    return write


RENDERERS: dict[str, Callable[[], Renderer]] = {
    "table": _table,
    "json": _json,
    "ndjson": _ndjson,
    "csv": _csv,
    "tsv": _tsv,
    "md": _markdown,
}
"""The output formats, each with what imports its renderer."""

FORMATS = tuple(RENDERERS)


def write(report: "Report", stream: IO[str], view: "View") -> None:
    """Write to a stream what a view shows of a report."""
    RENDERERS[view.format]()(report, stream, view)
