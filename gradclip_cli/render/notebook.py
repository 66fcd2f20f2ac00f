"""Show a report in a notebook: its screen as HTML, or its rows as a pandas data frame."""

import html
import io
from typing import Any

from gradclip_cli.errors import UsageError
from gradclip_cli.render.screens import SCREENS, screen, writer
from gradclip_cli.render.screens.room import Room
from gradclip_cli.render.table_report import write
from gradclip_cli.render.view import View, kinds_of
from gradclip_cli.reports.base import Report

_WIDTH = 100
"""The width of a screen in a notebook, in characters."""


def as_html(report: Report) -> str:
    """Return the screen of a report as HTML, or its tables where it has none."""
    if report.schema in SCREENS:
        return writer.as_html(screen(report, Room(_WIDTH, whole=True)))
    stream = io.StringIO()
    write(report, stream, View())
    return f"<pre>{html.escape(stream.getvalue())}</pre>"


def as_dataframe(report: Report, by: str | None) -> Any:
    """Return the rows that csv has by a kind, by default of each tensor, as a data frame of pandas with the columns they fill."""
    try:
        import pandas
    except ImportError as error:
        raise UsageError("to_dataframe needs pandas: pip install pandas") from error
    kind = type(report)
    usual = [one for one in ("param", *kind.kinds) if one in kind.kinds][:1]
    view = View("csv", kinds_of(kind, usual if by is None else [by]))
    rows = list(view.rows(report))
    names = [name for name in view.names(kind) if not rows or name in rows[0]]
    return pandas.DataFrame.from_records(rows, columns=names)
