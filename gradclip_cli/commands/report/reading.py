"""Read the dumps of a series once for `stats`, for `check` and for counts by magnitude."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from gradclip_cli.commands.check.collect import Collector, targets
from gradclip_cli.commands.check.report import report as check_of
from gradclip_cli.commands.check.unchanged import TYPES
from gradclip_cli.commands.report.plan import ReportPlan
from gradclip_cli.commands.report.values import SeriesValues
from gradclip_cli.commands.stats.dump_norms import sums_for
from gradclip_cli.commands.stats.report import stats_of
from gradclip_cli.engine.measure import PieceObserver, together
from gradclip_cli.engine.run import Run
from gradclip_cli.engine.series import Measure, settled, survey_series
from gradclip_cli.engine.small_dumps import survey_each
from gradclip_cli.engine.survey import MeasuredDump, ObserverFor
from gradclip_cli.engine.weights import measure_weights
from gradclip_cli.errors import GradclipError, InputError
from gradclip_cli.formats.base import Format, Reader
from gradclip_cli.inputs.ordering import expect_all, in_step_order
from gradclip_cli.inputs.source import DumpSource
from gradclip_cli.numerics.norms import SumKinds
from gradclip_cli.reports.check import CheckReport
from gradclip_cli.reports.stats import StatsReport
from gradclip_cli.reports.values import ValueReport

if TYPE_CHECKING:
    from gradclip_cli.commands.check.gathered import Gathered, Look
    from gradclip_cli.engine.memory.memory import Memory


class Reading:
    """Measures each dump with the sums of both commands, and has `check` take it before `stats` does, if that does not skip it."""

    def __init__(self, plan: ReportPlan, run: Run, memory: "Memory | None" = None) -> None:
        self._plan, self._run, self._memory = plan.stats, run, memory
        self._own = sums_for(plan.stats)
        self._sums = tuple(dict.fromkeys((*self._own, *TYPES)))
        self._check = plan.check
        own, missing = plan.stats.weights, plan.stats.allow_missing
        self._weights = measure_weights(own, run, allow_missing=missing) if own else None
        self._checked = Collector(self._check, run, self._weights)
        self._number = 0  # of dumps so far, those that cannot be read, too
        self._failed: list[GradclipError] = []
        self._taken: Sequence[str] = ()  # the files of the source before
        self._values = SeriesValues(plan.stats.selection, run.workers.work) if plan.values else None

    def report(self) -> tuple[StatsReport, CheckReport, ValueReport | None]:
        """Read the dumps, and return what was found in them."""
        plan, values = self._plan, self._values
        taken = values.take if values is not None else None
        norms = stats_of(self._surveys(), plan, self._run, taken, self._weights)
        if self._memory is not None:
            norms = norms._replace(cached=self._memory.cached)
        found = check_of(self._check, self._checked.collected(self._failed), self._run)
        return norms, found, values.report(norms, plan.repeated) if values is not None else None

    def _surveys(self) -> Iterator[Measure]:
        """Yield for each source, in the order of steps, what measures it for `stats`; a cluster measures several at once."""
        sources, memory = in_step_order(self._plan.inputs), self._memory
        if memory is None or self._values is not None:  # whose counts are too many to be kept
            every = self._fresh(sources)
        else:
            every = memory.surveys(sources, self._sums, self._run, self._fresh, self)
        return (partial(self._take, source, found) for source, found in zip(sources, every, strict=True))

    def _fresh(self, sources: Sequence[DumpSource]) -> Iterator[Measure]:
        """Yield for each source what reads it."""
        # How many slices of a file are skipped is known when the files before it are taken.
        one_by_one = self._plan.selection.along is not None and self._plan.skip_steps
        if one_by_one:
            expect_all(sources)
            return (partial(self._survey, one) for one in sources)
        return survey_each(sources, self._sums, self._run, self)

    @property
    def asked(self) -> object:
        """What is gathered for `check` depends on the dtypes whose range is checked against."""
        return "report", targets(self._check)

    def packed(self, source: DumpSource) -> bytes:
        """Return the bytes of what was gathered for `check` of a source that was measured now."""
        return self._checked.packed(source)

    def recall(self, source: DumpSource, data: bytes) -> bool:
        """Take what was gathered of a source before; return False if it must be read."""
        return self._checked.recall(source, data, self._skipped)

    @property
    def look(self) -> "Look | None":
        """What is gathered of sources that are measured elsewhere; counts by magnitude would be larger than small dumps."""
        return self._checked.look if self._values is None else None

    def accept(self, source: DumpSource, gathered: "Gathered") -> None:
        """Take what was gathered of a source elsewhere."""
        self._checked.accept(source, gathered)

    def begin(self, source: DumpSource) -> ObserverFor:
        """Begin a source: return what makes an observer for `check` of each of its files, and one that counts by magnitude."""
        check, values = self._checked.begin(source, self._skipped), self._values

        def observer_for(format: Format, reader: Reader) -> PieceObserver | None:
            return together(
                [check(format, reader), values.observer_for(format, reader) if values is not None else None]
            )

        return observer_for

    def _survey(self, source: DumpSource) -> list[MeasuredDump]:
        return survey_series(source, self._sums, self._run, self.begin(source))

    @property
    def _skipped(self) -> int:
        """How many dumps of the source at hand are skipped."""
        return max(0, self._plan.skip_steps - self._number)

    def _take(self, source: DumpSource, found: Measure) -> list[MeasuredDump]:
        skipped = self._skipped
        if self._values is not None:
            self._values.forget(self._taken)  # which `stats` has had counted by now
            self._taken = source.files
        try:
            dumps = settled(source, found(), self._run)
            self._checked.take(source, [_with_sums(dump, self._places(TYPES)) for dump in dumps[skipped:]])
        except InputError as error:
            self._number += 1
            self._failed += [] if skipped else [error]
            raise
        self._number += len(dumps)
        return [_with_sums(dump, self._places(self._own)) for dump in dumps]

    def _places(self, sums: SumKinds) -> list[int]:
        """Return the numbers of some sums among those that are measured."""
        return [self._sums.index(kind) for kind in sums]


def _with_sums(dump: MeasuredDump, which: Sequence[int]) -> MeasuredDump:
    """Return a dump with these of its sums; its layers and names are not found again."""
    stats = dump.stats.with_sums(which)
    if stats is dump.stats:
        return dump
    found = replace(dump, stats=stats)
    found.__dict__.update({name: dump.__dict__[name] for name in ("layers", "named") if name in dump.__dict__})
    return found
