"""Show a report on one screen, the answer first.

A new screen is a module here with a function `lines(report, room)`, and a line in `SCREENS`.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from gradclip_cli.render.screens import apply, check, diff, ls, show, stats
from gradclip_cli.render.screens.line import Line
from gradclip_cli.render.screens.room import Room
from gradclip_cli.reports.apply import ApplyReport
from gradclip_cli.reports.check import CheckReport
from gradclip_cli.reports.diff import DiffReport
from gradclip_cli.reports.listing import LsReport
from gradclip_cli.reports.show import ShowReport
from gradclip_cli.reports.stats import StatsReport

Screen = Callable[[Any, Room], Iterator[Line]]
"""Yields the lines of a report that fit into a room."""

SCREENS: Mapping[str, Screen] = {
    ApplyReport.schema: apply.lines,
    CheckReport.schema: check.lines,
    DiffReport.schema: diff.lines,
    LsReport.schema: ls.lines,
    ShowReport.schema: show.lines,
    StatsReport.schema: stats.lines,
}
"""The screen of each report, by its schema; a report without one is shown as tables."""
