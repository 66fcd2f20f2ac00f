"""Read series of dumps, in separate files or in one, in the order of their steps."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

from gradclip_cli.engine.replicated import count_replicated
from gradclip_cli.engine.run import Run
from gradclip_cli.engine.slices import measure_slices
from gradclip_cli.engine.survey import MeasuredDump, ObserverFor, measure_dump
from gradclip_cli.engine.tied import count_tied, count_tied_slices
from gradclip_cli.errors import InputError
from gradclip_cli.inputs import ordering
from gradclip_cli.inputs.layouts.series import step_groups
from gradclip_cli.inputs.places import places_of
from gradclip_cli.inputs.selection import Selection, check_included
from gradclip_cli.inputs.source import DumpSource
from gradclip_cli.inputs.steps import step_named
from gradclip_cli.numerics.norms import SumKinds
from gradclip_cli.spec_table import names_of, renamed
from gradclip_cli.text import printable

Measure = Callable[[], list[MeasuredDump]]
"""Measures a source, or hands out what was found there: its dumps, or the error that is raised then."""

Begin = Callable[[DumpSource], ObserverFor | None]


def measure_series(
    source: DumpSource, sums: SumKinds, run: Run, observer_for: ObserverFor | None = None
) -> list[MeasuredDump]:
    """Read and measure an input once; return its dump, or one dump for each step in it.

    Copies count as the user says. Inputs must be read in the order of steps, since the first dump decides what is tied.
    """
    return settled(source, survey_series(source, sums, run, observer_for), run)


def survey_series(
    source: DumpSource, sums: SumKinds, run: Run, observer_for: ObserverFor | None = None
) -> list[MeasuredDump]:
    """Read and measure an input once, in any order of the inputs; `settled` then does what follows from the dumps before."""
    if run.selection.along is not None:
        return measure_slices(source, sums, run, observer_for)
    return steps_in(measure_dump(source, sums, run, observer_for), run)


def measure_in_order(
    sources: Sequence[DumpSource], sums: SumKinds, run: Run, observer_for: ObserverFor | None = None
) -> Iterator[Measure]:
    """Yield for each source, in order, what measures it; call it before the next is taken."""
    return settled_each(sources, survey_in_order(sources, sums, run, lambda _: observer_for), run)


def survey_in_order(
    sources: Sequence[DumpSource], sums: SumKinds, run: Run, begin: Begin | None = None
) -> Iterator[Measure]:
    """Yield for each source, in order, what surveys it; call it before the next is taken. A cluster measures several at once.

    `begin` is called for each source before it is measured, and returns what makes an observer of each of its files.
    """

    def survey(own: Run, source: DumpSource) -> list[MeasuredDump]:
        return survey_series(source, sums, own, begin(source) if begin is not None else None)

    yield from run.each(survey, sources)


def settled_each(sources: Sequence[DumpSource], surveys: Iterable[Measure], run: Run) -> Iterator[Measure]:
    """Yield what measures each source and does what follows from the dumps before; `surveys` do not do the latter."""
    for source, survey in zip(sources, surveys, strict=True):
        yield partial(_settled, source, survey, run)


def _settled(source: DumpSource, survey: Measure, run: Run) -> list[MeasuredDump]:
    return settled(source, survey(), run)


def steps_in(dump: MeasuredDump, run: Run) -> list[MeasuredDump]:
    """Return the dump of an input, or one dump for each step in it that the user wants."""
    return wanted(split(dump, run), run)


def settled(source: DumpSource, found: list[MeasuredDump], run: Run) -> list[MeasuredDump]:
    """Count copies in the dumps of an input as the user says, after those of the steps before."""
    if run.selection.along is not None:
        return wanted(count_tied_slices(found, run), run)
    if source.layout.in_pieces:
        # Pieces that say where they belong, or that there is no other, are no copies, whatever their bits.
        known, asked = source.layout.each_once, run.selection.replicated
        found = [dump if (known or dump.wholes) and not asked else count_replicated(dump, run) for dump in found]
    return [count_tied(dump, run, run.ties) for dump in found]


def wanted(dumps: list[MeasuredDump], run: Run) -> list[MeasuredDump]:
    """Leave out the steps of a file that the user does not want; the first dump that is left has the notes on the file."""
    steps = run.selection.steps
    if steps is None:
        return dumps
    first, found = dumps[0], [dump for dump in dumps if steps.takes(dump.step)]
    if not found:
        raise steps.refusal(printable(first.source.location), [dump.step for dump in dumps])
    return [replace(found[0], non_numeric=first.non_numeric, file_notes=first.file_notes), *found[1:]]


def split(dump: MeasuredDump, run: Run) -> list[MeasuredDump]:
    """Return a dump for each step, in order, if all tensors are in groups named after two or more steps; else the dump.

    Each of them lists all tensors of the file, by their names inside the groups, but has the statistics of its own only.
    """
    found = run.shared("step groups", dump.tensors, lambda: step_groups(names_of(dump.tensors)))
    if not found.groups:
        return [replace(dump, outside_steps=found.outside)] if found.outside else [dump]
    if dump.source.layout.in_pieces:
        _check_ranks(dump, found.groups)
    tensors = renamed(dump.tensors, found.names)
    places = places_of(run.selection.naming, found.names)
    return [
        replace(
            dump,
            step=step_named(group),
            tensors=tensors,
            places=places,
            stats=dump.stats.only(indices),
            non_numeric=dump.non_numeric if k == 0 else [],
            file_notes=dump.file_notes if k == 0 else [],
            prefix=f"{group}/",
            members=indices,
        )
        for k, (group, indices) in enumerate(found.groups.items())
    ]


def _check_ranks(dump: MeasuredDump, groups: Mapping[str, Sequence[int]]) -> None:
    """Raise InputError if not every rank holds every step."""
    every = {file.path for file in dump.files}
    for group, indices in groups.items():
        if lacking := every.difference(dump.file_of(index).path for index in indices):
            raise InputError(f"lacks {group}, which other ranks hold; give the files of all ranks", path=min(lacking))


def by_step(dumps: Sequence[MeasuredDump]) -> list[MeasuredDump]:
    """Sort dumps by step; what has no step comes last, and slices whose steps tell no order stay as they are."""
    return ordering.by_step(dumps, lambda dump: dump.step if dump.ordered else None)


def check_taken(dumps: Sequence[MeasuredDump], selection: Selection) -> None:
    """Raise UsageError if a pattern of the selection matches no tensor of any dump, though it should."""
    if selection.has_names:
        names = [name for dump in dumps for name in (*names_of(dump.tensors), *dump.non_numeric)]
        check_included(dict.fromkeys(names), selection)
