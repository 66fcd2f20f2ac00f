"""Show a report in a notebook: its screen as HTML, or its rows as a pandas data frame."""

import html
import io
from typing import Any

from gradclip_cli.errors import UsageError
from gradclip_cli.render.records import records, scopes
from gradclip_cli.render.screens import SCREENS, writer
from gradclip_cli.render.screens.room import Room
from gradclip_cli.render.table_report import write
from gradclip_cli.render.view import View
from gradclip_cli.reports.base import Report
from gradclip_cli.text import with_all

_WIDTH = 100
"""The width of a screen in a notebook, in characters."""


def as_html(report: Report) -> str:
    """Return the screen of a report as HTML, or its tables where it has none."""
    if report.schema in SCREENS:
        return writer.as_html(SCREENS[report.schema](report, Room(_WIDTH, whole=True)))
    stream = io.StringIO()
    write(report, stream, View())
    return f"<pre>{html.escape(stream.getvalue())}</pre>"


def as_dataframe(report: Report, by: str | None) -> Any:
    """Return the records of a scope of a report as a data frame of pandas, one column for each column of csv."""
    try:
        import pandas
    except ImportError as error:
        raise UsageError("to_dataframe needs pandas: pip install pandas") from error
    known = scopes(type(report), frozenset(report.scopes))
    scope = next(iter(known)) if by is None else by
    if scope not in known:
        raise UsageError(f"there are no rows by {scope!r}; {with_all(scope, known, f'there are {_listed(known)}')}")
    return pandas.DataFrame.from_records(list(records(report, scope)), columns=list(known[scope]))


def _listed(known: dict[str, tuple[str, ...]]) -> str:
    return ", ".join(name or "'' (its only rows)" for name in known)
