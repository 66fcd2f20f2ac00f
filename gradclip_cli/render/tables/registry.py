"""The tables of each report, by the schema of the report."""

from collections.abc import Callable, Mapping
from typing import Any

from gradclip_cli.render.tables import apply, check, diff, listing, stats
from gradclip_cli.render.tables.grid import Grid
from gradclip_cli.reports import ApplyReport, CheckReport, DiffReport, LsReport, StatsReport, StrategiesReport

Tables = Callable[[Any, frozenset[str]], list[Grid]]
"""Makes the tables of the given kinds of a report."""

TABLES: Mapping[str, Tables] = {
    ApplyReport.schema: apply.grids,
    StatsReport.schema: stats.grids,
    CheckReport.schema: check.grids,
    DiffReport.schema: diff.grids,
    LsReport.schema: listing.grids,
    StrategiesReport.schema: listing.grids,
}
