"""Tab-separated values without quoting, for `cut` and `awk`: what is escaped holds no tab and no line end."""

from typing import IO, TYPE_CHECKING, Any

from gradclip_cli.render.lines import write_lines
from gradclip_cli.render.spreadsheet import cell
from gradclip_cli.render.view import View

if TYPE_CHECKING:
    from gradclip_cli.report import Report


def write(report: "Report", stream: IO[str], view: View) -> None:
    """Write a report as one table, row by row."""
    names = view.names(type(report))
    if view.headers:
        stream.write("\t".join(names) + "\n")
    rows = view.rows(report)
    write_lines(stream, ("\t".join(_cell(row.get(name)) for name in names) + "\n" for row in rows))


def _cell(value: Any) -> str:
    """Write a cell; a quote at its beginning would open a quoted one for spreadsheets, and hide a formula."""
    text = cell(value)
    return f"'{text}" if text.startswith('"') else text
