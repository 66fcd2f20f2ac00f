"""Comma-separated values after RFC 4180, with line ends of one character."""

import csv
from typing import IO, TYPE_CHECKING

from gradclip_cli.render.spreadsheet import cell
from gradclip_cli.render.view import View

if TYPE_CHECKING:
    from gradclip_cli.report import Report


def write(report: "Report", stream: IO[str], view: View) -> None:
    """Write a report as one table, row by row."""
    names = view.names(type(report))
    writer = csv.writer(stream, lineterminator="\n")
    if view.headers:
        writer.writerow(names)
    writer.writerows([cell(row.get(name)) for name in names] for row in view.rows(report))
