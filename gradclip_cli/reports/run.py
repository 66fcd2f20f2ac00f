"""The report of `report`: all that a page shows of a run, in the reports of other commands."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from gradclip_cli.errors import GradclipError
from gradclip_cli.notes import Note
from gradclip_cli.reports.check import CheckReport
from gradclip_cli.reports.diff import DiffLogs
from gradclip_cli.reports.notebook import InNotebooks
from gradclip_cli.reports.stats import StatsReport
from gradclip_cli.reports.stats_series import LAYER
from gradclip_cli.reports.values import ValueReport

if TYPE_CHECKING:
    import pandas


class Parted(NamedTuple):
    """How the norms of two runs differ, step by step, of the whole and of each block in both; or why they cannot be compared."""

    diff: DiffLogs | None
    why: str = ""


class _RunReport(NamedTuple):
    title: str
    stats: StatsReport
    check: CheckReport
    against: StatsReport | None
    notes: Sequence[Note]
    failed: Sequence[GradclipError]
    values: ValueReport | None = None
    parted: Parted | None = None
    by: str = LAYER


class RunReport(InNotebooks, _RunReport):
    """What a page shows: norms and thresholds, what `check` found, and the norms of another run if there is one.

    `title` is what the user calls the run, or its path. `failed` holds the errors of dumps that were left out.
    `values` counts elements by magnitude, if the user asked for it. `parted` says where the runs part, if there are two.
    `by` says what the rows of maps are.
    """

    __slots__ = ()

    def _repr_html_(self) -> str:
        """Return the screens of `stats` and `check` as HTML; names are escaped."""
        return self.stats._repr_html_() + self.check._repr_html_()

    def to_dataframe(self, by: str | None = None) -> "pandas.DataFrame":
        """Return the rows of `stats` by a kind, such as `layer` or `step`, as a data frame."""
        found: Any = self.stats.to_dataframe(by)
        return found
