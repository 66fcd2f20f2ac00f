"""Reports as tables of text: one line of the registry a report."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gradclip_cli.reports.apply import ApplyReport
from gradclip_cli.reports.check import CheckReport
from gradclip_cli.reports.diff import DiffReport
from gradclip_cli.reports.listing import LsReport, StrategiesReport
from gradclip_cli.reports.stats import StatsReport

if TYPE_CHECKING:
    from gradclip_cli.render.tables.grid import Grid

Tables = Callable[[Any, frozenset[str]], "list[Grid]"]
"""Makes the tables of the given kinds of a report."""


def _apply() -> Tables:
    from gradclip_cli.render.tables.apply import grids

    return grids


def _stats() -> Tables:
    from gradclip_cli.render.tables.stats import grids

    return grids


def _check() -> Tables:
    from gradclip_cli.render.tables.check import grids

    return grids


def _diff() -> Tables:
    from gradclip_cli.render.tables.diff import grids

    return grids


def _listing() -> Tables:
    from gradclip_cli.render.tables.listing import grids

    return grids


TABLES: dict[str, Callable[[], Tables]] = {
    ApplyReport.schema: _apply,
    StatsReport.schema: _stats,
    CheckReport.schema: _check,
    DiffReport.schema: _diff,
    LsReport.schema: _listing,
    StrategiesReport.schema: _listing,
}
"""The reports by their schemas, each with what imports the module of its tables."""
