"""The report of `report`: all that a page shows of a run, in the reports of other commands."""

from collections.abc import Sequence
from typing import NamedTuple

from gradclip_cli.errors import GradclipError
from gradclip_cli.notes import Note
from gradclip_cli.reports.check import CheckReport
from gradclip_cli.reports.stats import StatsReport
from gradclip_cli.reports.values import ValueReport


class RunReport(NamedTuple):
    """What a page shows: norms and thresholds, what `check` found, and the norms of another run if there is one.

    `title` is what the user calls the run, or its path. `failed` holds the errors of dumps that were left out.
    `values` counts elements by magnitude, if the user asked for it.
    """

    title: str
    stats: StatsReport
    check: CheckReport
    against: StatsReport | None
    notes: Sequence[Note]
    failed: Sequence[GradclipError]
    values: ValueReport | None = None
