"""Write csv and tsv: numbers read back the same, and no spreadsheet takes a text for a formula."""

import csv
from typing import IO, Any

from gradclip_cli.render.records import joined, write_lines
from gradclip_cli.render.view import View
from gradclip_cli.reports.base import Report
from gradclip_cli.text import printable

_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
"""The first characters of formulas, full-width forms too; tab and CR, which some programs strip first, are escaped."""


def write_csv(report: Report, stream: IO[str], view: View) -> None:
    """Write a report as one table after RFC 4180, row by row, but with LF as line end."""
    names = view.names(type(report))
    writer = csv.writer(stream, lineterminator="\n")
    if view.headers:
        writer.writerow(names)
    writer.writerows([cell(row.get(name)) for name in names] for row in view.rows(report))


def write_tsv(report: Report, stream: IO[str], view: View) -> None:
    """Write a report as one table without quotes, row by row, for `cut` and `awk`; escaped texts hold no tab or line end."""
    names = view.names(type(report))
    if view.headers:
        stream.write("\t".join(names) + "\n")
    rows = view.rows(report)
    write_lines(stream, ("\t".join(_tsv_cell(row.get(name)) for name in names) + "\n" for row in rows))


def _tsv_cell(value: Any) -> str:
    """Format a cell; put `'` before a leading quote, which would open a quoted cell in spreadsheets and hide a formula."""
    text = cell(value)
    return f"'{text}" if text.startswith('"') else text


def cell(value: Any) -> str:
    """Format a value: None is empty, a shape is `2x3`, and text that begins like a formula gets a leading `'`.

    >>> cell(None), cell(1 / 3), cell(True), cell((2, 3)), cell("=1+1")
    ('', '0.3333333333333333', 'true', '2x3', "'=1+1")
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return float.__repr__(value) if isinstance(value, float) else str(value)
    if isinstance(value, str) or not all(isinstance(item, int) for item in value):
        text = printable(joined(value))
        return f"'{text}" if text.startswith(_FORMULA) else text
    return joined(value)
