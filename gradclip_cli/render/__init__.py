"""Reports as text: one module an output format."""

from collections.abc import Callable
from importlib import import_module
from typing import IO, TYPE_CHECKING, cast

if TYPE_CHECKING:
    from gradclip_cli.render.view import View
    from gradclip_cli.report import Report

FORMATS = ("table", "json", "ndjson", "csv", "tsv", "md")
"""The modules of this package that are output formats."""

Render = Callable[["Report", IO[str], "View"], None]


def write(report: "Report", stream: IO[str], view: "View") -> None:
    """Write to a stream what is wanted of a report."""
    cast(Render, import_module(f"{__name__}.{view.format}").write)(report, stream, view)
