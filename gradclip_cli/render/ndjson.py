"""One strict JSON object a line, each with the same keys."""

from typing import IO, TYPE_CHECKING

from gradclip_cli.render.json import encoded
from gradclip_cli.render.lines import write_lines
from gradclip_cli.render.view import View

if TYPE_CHECKING:
    from gradclip_cli.report import Report


def write(report: "Report", stream: IO[str], view: View) -> None:
    """Write a report as one table, row by row, in nothing but ASCII."""
    names = view.names(type(report))
    rows = view.rows(report)
    write_lines(stream, (encoded({name: row.get(name) for name in names}) + "\n" for row in rows))
