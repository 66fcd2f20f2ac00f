"""The plan of `report`: what is read, and what is written of it."""

import os
from dataclasses import dataclass

from gradclip_cli.checks import NAMES, RATIO
from gradclip_cli.checks.limits import Limits
from gradclip_cli.commands.plans import CheckPlan
from gradclip_cli.commands.stats.plan import StatsPlan
from gradclip_cli.errors import UsageError
from gradclip_cli.inputs.source import DumpSource
from gradclip_cli.render.html import PICTURES
from gradclip_cli.render.html.drawing import FORMATS
from gradclip_cli.reports.stats_series import BY, LAYER
from gradclip_cli.storage.streams import STANDARD
from gradclip_cli.text import did_you_mean, printable


@dataclass(frozen=True)
class Wanted:
    """What is written: a page, `static` or not, and figures in a folder; nothing where both are None."""

    page: str | None = None
    static: bool = False
    figures: str | None = None
    format: str | None = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.figures == STANDARD:
            raise UsageError("--figures is a directory, and - is standard output; give a directory")
        if self.page not in (None, STANDARD) and self.figures is not None and self._collides(self.page):
            raise UsageError(
                f"-o and --figures would both write {printable(self.page)}; give another page or directory"
            )
        if self.static and self.page is None:
            raise UsageError("--static is about the page; give -o PAGE.html")
        if self.format is not None and self.figures is None:
            raise UsageError("--format is that of figures; give --figures DIR")
        if self.format is not None and self.format not in FORMATS:
            hint = did_you_mean(self.format, FORMATS, f"formats are {', '.join(FORMATS)}")
            raise UsageError(f"there is no format {self.format!r} of figures; {hint}")

    def _collides(self, page: str) -> bool:
        """Whether the page is the directory of figures, or one of them."""
        taken = [self.figures or "", *(self.figure(name) for name in PICTURES)]
        return os.path.realpath(page) in map(os.path.realpath, taken)

    def figure(self, name: str) -> str:
        """Return the path of a figure."""
        return os.path.join(self.figures or "", f"{name}.{self.format or FORMATS[0]}")

    @property
    def nothing(self) -> bool:
        """Whether nothing is written."""
        return self.page is None and self.figures is None


@dataclass(frozen=True)
class ReportPlan:
    """A request for all that a page shows of a run; `against` is another run, `values` asks for counts by magnitude.

    `by` says what the rows of maps are.
    """

    stats: StatsPlan
    title: str
    against: StatsPlan | None = None
    values: bool = False
    wanted: Wanted = Wanted()
    by: str = LAYER

    def __post_init__(self) -> None:
        if not self.title.strip():
            raise UsageError("--title is empty; give a text, or leave it out for the name of the input")
        if self.by not in BY:
            hint = did_you_mean(self.by, BY, f"rows are by {', '.join(BY)}")
            raise UsageError(f"there are no rows by {self.by!r}; {hint}")
        if self.paths.count(STANDARD) > 1:
            raise UsageError("standard input can be read only once; give - once")
        if self.stats.cache and (self.against is None or self.against.logs is not None):
            raise UsageError(
                "--cache of report is for the dumps of --against: the run itself is read for check; leave it out"
            )
        if self.values and self.stats.logs is not None:
            raise UsageError("--values counts elements of gradients, and a log holds norms; leave it out")

    @property
    def sources(self) -> list[DumpSource]:
        """The dumps of both runs."""
        return [*self.stats.inputs, *(self.against.inputs if self.against is not None else ())]

    @property
    def paths(self) -> list[str]:
        """The files that are read."""
        logs = [one.logs.paths for one in (self.stats, self.against) if one is not None and one.logs is not None]
        return [path for some in (*logs, *(source.files for source in self.sources)) for path in some]

    @property
    def check(self) -> CheckPlan:
        """What `check` finds with its default limits, of the same inputs."""
        own = self.stats
        return CheckPlan(
            inputs=own.inputs,
            rules=tuple(rule for rule in NAMES if rule != RATIO or own.weights),
            limits=Limits(),
            selection=own.selection,
            notes=own.notes,
            repeated=own.repeated,
            allow_missing=own.allow_missing,
            keep_going=own.keep_going,
            jobs=own.jobs,
            logs=own.logs,
            weights=own.weights,
        )
