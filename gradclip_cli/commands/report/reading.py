"""Read the dumps of a series once for `stats` and for `check`."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from gradclip_cli.commands.check.collect import Collected, Collector
from gradclip_cli.commands.check.unchanged import TYPES
from gradclip_cli.commands.report.plan import ReportPlan
from gradclip_cli.commands.stats.dump_norms import sums_for
from gradclip_cli.engine.run import Run
from gradclip_cli.engine.series import measure_series
from gradclip_cli.engine.small_dumps import Measure
from gradclip_cli.engine.survey import MeasuredDump
from gradclip_cli.errors import GradclipError, InputError
from gradclip_cli.inputs.ordering import in_step_order
from gradclip_cli.inputs.source import DumpSource
from gradclip_cli.numerics.norms import SumKinds


class Reading:
    """Measures each dump with the sums of both commands, and has `check` take it before `stats` does, if that does not skip it."""

    def __init__(self, plan: ReportPlan, run: Run) -> None:
        self._plan, self._run = plan.stats, run
        self._own = sums_for(plan.stats)
        self._sums = tuple(dict.fromkeys((*self._own, *TYPES)))
        self._checked = Collector(plan.check, run)
        self._number = 0  # of dumps so far, those that cannot be read, too
        self._failed: list[GradclipError] = []

    def surveys(self) -> Iterator[Measure]:
        """Yield for each source, in the order of steps, what measures it for `stats`."""
        return (partial(self._measure, source) for source in in_step_order(self._plan.inputs))

    def checked(self) -> Collected:
        """Return what `check` has taken, after all sources are measured."""
        return self._checked.collected(self._failed)

    def _measure(self, source: DumpSource) -> list[MeasuredDump]:
        skipped = max(0, self._plan.skip_steps - self._number)
        try:
            dumps = measure_series(source, self._sums, self._run, self._checked.begin(skipped))
            if dumps[skipped:]:
                self._checked.take([_with_sums(dump, self._places(TYPES)) for dump in dumps[skipped:]])
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
