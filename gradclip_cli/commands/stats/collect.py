"""Reduce the dumps of a series to its norms; the only part of `stats` that reads dumps."""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from gradclip_cli.commands.stats.beside import BesideRow, BesideRows, tables
from gradclip_cli.commands.stats.findings import first_nonfinite
from gradclip_cli.commands.stats.layout import AnyTensors, SameTensors, SeriesLayout, SeriesRows, order
from gradclip_cli.commands.stats.peak import LargestStep
from gradclip_cli.commands.stats.plan import StatsPlan
from gradclip_cli.commands.stats.ratios import WeightRatios
from gradclip_cli.engine.first_nonfinite import KeptNonfinite
from gradclip_cli.engine.survey import MeasuredDump
from gradclip_cli.engine.tensor_places import TensorPlaces
from gradclip_cli.engine.weights import Weights
from gradclip_cli.errors import GradclipError, InputError, UsageError
from gradclip_cli.inputs.ordering import by_step
from gradclip_cli.inputs.repeats import StepPlace, settled
from gradclip_cli.notes import Note
from gradclip_cli.reports.stats_findings import NonfiniteTensor
from gradclip_cli.spec_table import names_of
from gradclip_cli.text import plural
from gradclip_cli.thresholds.norm_table import SeriesNorms

if TYPE_CHECKING:
    from gradclip_cli.numerics.first_nonfinite import Nonfinite

Taken = Callable[[MeasuredDump], None]


class NamedPlaces(NamedTuple):
    """Where the tensors of a dump can be read again, and their names in the series."""

    places: TensorPlaces
    names: Sequence[str]


class Collected(NamedTuple):
    """The layout of a series, its norms, the errors of the dumps that are left out, and notes on repeated steps and on weights.

    `nonfinite` are the first dumps of tensors that are not finite, `largest` is known if there are two dumps or more, and
    `located` has a row for each step if a rule looks at elements again.
    """

    layout: SeriesLayout
    norms: SeriesNorms
    failed: list[GradclipError]
    notes: Sequence[Note] = ()
    nonfinite: Sequence[NonfiniteTensor] = ()
    largest: LargestStep | None = None
    ratios: WeightRatios | None = None
    located: Sequence[NamedPlaces] = ()


class _Collector:
    """Collect the dumps of a series one by one, but those that are skipped or left out."""

    def __init__(self, plan: StatsPlan, taken: Taken | None, weights: Weights | None) -> None:
        self.beside: list[BesideRow | None] = []  # of the dumps taken
        self._beside = BesideRows(plan, weights)
        self.series: SeriesRows = AnyTensors(plan) if plan.allow_missing else SameTensors(plan)
        self.taken = self.number = 0
        self.failed: list[GradclipError] = []
        self.places: list[StepPlace] = []  # of the dumps taken
        self.nonfinite: list[list[Nonfinite]] = []  # of the dumps taken
        self.located: list[NamedPlaces] = []  # of the dumps taken, if they may be read again
        self.largest = LargestStep(plan.norm.type)
        self._kept = KeptNonfinite()
        self._plan, self._tell = plan, taken

    def take(self, dump: MeasuredDump) -> None:
        """Reduce a dump to its norms, unless it is skipped."""
        if self._skips():
            return
        try:
            dump = self.series.add(dump)
            self.beside.append(self._beside.of(dump))
            self.nonfinite.append(self._kept.of(dump.nonfinite))
            self.largest.take(dump, self.taken)
            self.places.append(dump.place)
            if self._plan.rereads:
                self._locate(dump)
            self.taken += 1
            if self._tell is not None:
                self._tell(dump)
        except InputError as error:
            self._leave_out(error)

    @property
    def notes(self) -> Sequence[Note]:
        """Notes on units and weights."""
        return self._beside.notes

    def _locate(self, dump: MeasuredDump) -> None:
        """Keep where a dump is; those with the same tensors share the list of names."""
        names = list(dump.named)
        last = self.located[-1].names if self.located else ()
        self.located.append(NamedPlaces(TensorPlaces.of(dump), last if names == last else names))

    def fail(self, error: InputError) -> None:
        """Leave out a dump that cannot be read, or raise the error; ignore it among the first `skip_steps` dumps."""
        if not self._skips():
            self._leave_out(error)

    def _skips(self) -> bool:
        self.number += 1
        return self.number <= self._plan.skip_steps

    def _leave_out(self, error: InputError) -> None:
        if not self._plan.keep_going:
            raise error
        self.failed.append(error)


def collect(
    surveys: Iterable[Callable[[], list[MeasuredDump]]],
    plan: StatsPlan,
    taken: Taken | None = None,
    weights: Weights | None = None,
) -> Collected:
    """Measure the dumps of a series, and keep their norms only; each of `surveys` measures the dumps of one source.

    `taken` is called with each dump that counts, with the names of the series, before the next source is measured.
    With `keep_going`, return the errors of dumps with the result; raise the first one where no dump could be read.
    """
    collected = _Collector(plan, taken, weights)
    for survey in surveys:
        try:
            dumps = survey()
        except InputError as error:
            collected.fail(error)
            continue
        dumps.reverse()
        while dumps:  # the statistics of a dump are freed as soon as its norms are kept
            collected.take(dumps.pop())
    if plan.skip_steps >= collected.number:
        raise UsageError(f"--skip-steps {plan.skip_steps} leaves nothing of {plural(collected.number, 'dump')}")
    if not collected.taken:
        raise collected.failed[0]
    layout = collected.series.layout()
    every = list(zip(collected.series.rows, collected.places, collected.nonfinite, strict=True))
    beside = {id(row): one for row, one in zip(collected.series.rows, collected.beside, strict=True)}
    kept, notes = settled(every, lambda one: one[1], plan.repeated)
    notes = [*notes, *collected.notes]
    bad = first_nonfinite([(row, found) for row, _, found in kept])
    rows, which = by_step([row for row, _, _ in kept], order), collected.largest.number
    norms = layout.norms(rows, collected.series.kept, plan)
    others = [one for row in rows if (one := beside[id(row)]) is not None]
    found = tables(others, names_of(layout.specs), norms.params.groups, plan)
    norms = norms._replace(own=found.own)
    known = len(kept) > 1 and which is not None and any(one is every[which] for one in kept)
    ratios = WeightRatios.of(found, layout, plan) if found.weights is not None else None
    largest = collected.largest if known else None
    located = {id(row): one for row, one in zip(collected.series.rows, collected.located, strict=False)}
    again = [located[id(row)] for row in rows] if located else []
    return Collected(layout, norms, collected.failed, notes, bad, largest, ratios, again)
