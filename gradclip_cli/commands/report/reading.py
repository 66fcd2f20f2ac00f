"""Read the dumps of a series once for `stats`, for `check` and for counts by magnitude."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from gradclip_cli.commands.check.collect import Collector
from gradclip_cli.commands.check.report import report as check_of
from gradclip_cli.commands.check.unchanged import TYPES
from gradclip_cli.commands.report.plan import ReportPlan
from gradclip_cli.commands.report.values import SeriesValues
from gradclip_cli.commands.stats.dump_norms import sums_for
from gradclip_cli.commands.stats.report import stats_of
from gradclip_cli.engine.measure import PieceObserver, together
from gradclip_cli.engine.run import Run
from gradclip_cli.engine.series import measure_series
from gradclip_cli.engine.small_dumps import Measure
from gradclip_cli.engine.survey import MeasuredDump, ObserverFor
from gradclip_cli.engine.weights import measure_weights
from gradclip_cli.errors import GradclipError, InputError
from gradclip_cli.formats.base import Format, Reader
from gradclip_cli.inputs.ordering import in_step_order
from gradclip_cli.inputs.source import DumpSource
from gradclip_cli.numerics.norms import SumKinds
from gradclip_cli.reports.check import CheckReport
from gradclip_cli.reports.stats import StatsReport
from gradclip_cli.reports.values import ValueReport


class Reading:
    """Measures each dump with the sums of both commands, and has `check` take it before `stats` does, if that does not skip it."""

    def __init__(self, plan: ReportPlan, run: Run) -> None:
        self._plan, self._run = plan.stats, run
        self._own = sums_for(plan.stats)
        self._sums = tuple(dict.fromkeys((*self._own, *TYPES)))
        self._check = plan.check
        self._weights = measure_weights(plan.stats.weights, run) if plan.stats.weights else None
        self._checked = Collector(self._check, run, self._weights)
        self._number = 0  # of dumps so far, those that cannot be read, too
        self._failed: list[GradclipError] = []
        self._values = SeriesValues(plan.stats.selection, run.workers.work) if plan.values else None

    def report(self) -> tuple[StatsReport, CheckReport, ValueReport | None]:
        """Read the dumps, and return what was found in them."""
        plan, values = self._plan, self._values
        taken = values.take if values is not None else None
        norms = stats_of(self._surveys(), plan, self._run, taken, self._weights)
        found = check_of(self._check, self._checked.collected(self._failed), self._run)
        return norms, found, values.report(norms, plan.repeated) if values is not None else None

    def _surveys(self) -> Iterator[Measure]:
        """Yield for each source, in the order of steps, what measures it for `stats`."""
        return (partial(self._measure, source) for source in in_step_order(self._plan.inputs))

    def _measure(self, source: DumpSource) -> list[MeasuredDump]:
        skipped = max(0, self._plan.skip_steps - self._number)
        try:
            dumps = measure_series(source, self._sums, self._run, self._observers(skipped))
            if dumps[skipped:]:
                self._checked.take([_with_sums(dump, self._places(TYPES)) for dump in dumps[skipped:]])
        except InputError as error:
            self._number += 1
            self._failed += [] if skipped else [error]
            raise
        self._number += len(dumps)
        return [_with_sums(dump, self._places(self._own)) for dump in dumps]

    def _observers(self, skipped: int) -> ObserverFor:
        """Begin a source, of which the first dumps may be skipped; return what makes an observer for each of its files."""
        check, values = self._checked.begin(skipped), self._values
        if values is None:
            return check
        values.begin()
        parts = check, values.observer_for

        def observer_for(format: Format, reader: Reader) -> PieceObserver | None:
            return together([part(format, reader) for part in parts])

        return observer_for

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
