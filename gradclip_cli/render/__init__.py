"""Reports as text: one module an output format."""

from collections.abc import Callable
from importlib import import_module
from typing import IO, TYPE_CHECKING, cast

if TYPE_CHECKING:
    from gradclip_cli.report import Report

FORMATS = ("table", "json")
"""The modules of this package that are output formats."""

Render = Callable[["Report", IO[str], frozenset[str]], None]


def write(report: "Report", format: str, stream: IO[str], kinds: frozenset[str]) -> None:
    """Write a report to a stream; `kinds` says which tables are wanted, where the format has tables."""
    cast(Render, import_module(f"{__name__}.{format}").write)(report, stream, kinds)
