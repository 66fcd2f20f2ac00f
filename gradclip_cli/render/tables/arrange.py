"""Make the tables of a report with the rows and columns that a view chooses."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gradclip_cli.render.records import Record, joined, scopes
from gradclip_cli.render.tables.grid import Column, Grid, figure
from gradclip_cli.render.view import View
from gradclip_cli.reports.base import Report
from gradclip_cli.text import printable

Tables = Callable[[Any, frozenset[str]], list[Grid]]
"""Makes the tables of a report that are of the given kinds."""


def _apply() -> Tables:
    from gradclip_cli.render.tables.apply import grids

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


def _show() -> Tables:
    from gradclip_cli.render.tables.show import grids

    return grids


def _stats() -> Tables:
    from gradclip_cli.render.tables.stats import grids

    return grids


TABLES: Mapping[str, Callable[[], Tables]] = {
    "gradclip.apply/1": _apply,
    "gradclip.stats/1": _stats,
    "gradclip.check/1": _check,
    "gradclip.diff/1": _diff,
    "gradclip.show/1": _show,
    "gradclip.ls/1": _listing,
    "gradclip.cache/1": _listing,
    "gradclip.strategies/1": _listing,
}
"""The tables of each report by its schema, each with a function that imports them."""


def wanted(report: Report, view: View) -> list[Grid]:
    """Return the tables of a report that a view shows; if it names columns, only tables that have all of them."""
    found = TABLES[report.schema]()(report, view.kinds)
    if not view.chooses:
        return found
    fields = scopes(type(report), frozenset(report.scopes))
    arranged = (_arranged(grid, view, fields.get(grid.scope, ())) for grid in found)
    return [grid for grid in arranged if grid is not None]


def _arranged(grid: Grid, view: View, fields: Sequence[str]) -> Grid | None:
    """Return a table with the chosen columns and rows, or None if it lacks a column; one without records is not sorted."""
    if grid.records is None:
        if view.columns:
            return None
        return grid._replace(rows=grid.rows[: view.top]) if grid.grows else grid
    if not set(view.columns) <= {*fields, *(column.name for column in grid.columns)}:
        return None
    records = list(grid.records)
    lines = list(view.arranged(zip(grid.rows, records, strict=False), lambda line, column: line[1].get(column)))
    rows, total = [row for row, _ in lines], grid.total
    if not view.columns:
        return grid._replace(rows=rows)
    below = [] if total is None else [(total, records[-1])]
    cells = [_column(grid, name, [*lines, *below]) for name in view.columns]
    chosen = list(zip(*(texts for _, texts in cells), strict=True))
    return grid._replace(
        columns=[column for column, _ in cells],
        rows=chosen[: len(rows)],
        total=None if total is None else chosen[-1],
    )


def _column(grid: Grid, name: str, lines: Sequence[tuple[tuple[str, ...], Record]]) -> tuple[Column, list[str]]:
    """Return a column of a table, or make one from its records."""
    for k, column in enumerate(grid.columns):
        if column.name == name:
            return column._replace(rank=0), [row[k] for row, _ in lines]
    values = [record.get(name) for _, record in lines]
    text = any(isinstance(value, str | list) for value in values)
    return Column(name.replace("_", " "), text=text, field=name), [_shown(value) for value in values]


def _shown(value: Any) -> str:
    """Format a value for people."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if value is None or isinstance(value, float):
        return figure(value)
    return printable(joined(value))
