"""Series of dumps, in files of their own or inside one: read in turn, in the order of their steps."""

from collections.abc import Sequence
from dataclasses import replace

from gradclip_cli.engine.run import Run
from gradclip_cli.engine.survey import MeasuredDump, ObserverFor, measure_dump
from gradclip_cli.errors import InputError
from gradclip_cli.inputs import discovery
from gradclip_cli.inputs.layouts.series import step_groups
from gradclip_cli.inputs.naming import Naming, step_named
from gradclip_cli.inputs.selection import Selection, check_included
from gradclip_cli.inputs.source import DumpSource
from gradclip_cli.numerics.norms import SumKinds


def measure_series(
    source: DumpSource, sums: SumKinds, run: Run, observer_for: ObserverFor | None = None
) -> list[MeasuredDump]:
    """Read an input once and measure it; return its dump, or one for each step that is in it."""
    return split(measure_dump(source, sums, run, observer_for), run.selection.naming)


def split(dump: MeasuredDump, naming: Naming) -> list[MeasuredDump]:
    """Return a dump for each step, in order, where all tensors stand in groups that are named after two steps or more.

    All of them know all tensors of the file, by their names inside the groups, and each counts its own.
    """
    found = step_groups([spec.name for spec in dump.tensors])
    if not found.groups:
        return [replace(dump, outside_steps=found.outside)] if found.outside else [dump]
    tensors = [replace(spec, name=name) for spec, name in zip(dump.tensors, found.names, strict=True)]
    places = naming.places(found.names)
    return [
        replace(
            dump,
            step=step_named(group),
            tensors=tensors,
            places=places,
            stats=dump.stats.only(indices),
            non_numeric=dump.non_numeric if k == 0 else [],
            prefix=f"{group}/",
            members=indices,
        )
        for k, (group, indices) in enumerate(found.groups.items())
    ]


def shared_names(sources: Sequence[DumpSource], run: Run, keep_going: bool, skip: int = 0) -> set[str]:
    """Return the names that all dumps but the first `skip` have in common, from their headers.

    Of dumps that cannot be read, nothing is asked.
    """
    found: list[set[str] | None] = []
    for source in sources:
        try:
            found += _counted_names(source, run)
        except InputError:
            if not keep_going and len(found) >= skip:
                raise
            found.append(None)
    named = [names for names in found[skip:] if names is not None]
    return set.intersection(*named) if named else set()


def _counted_names(source: DumpSource, run: Run) -> list[set[str]]:
    """Return the names of the tensors that count, of each dump in an input, from its headers."""
    counted: list[int] = []
    with run.open(source) as dump:
        for file in dump.each():
            start = dump.files[-1].start
            counted += [start + index for index in dump.counted(file)]
    names = [spec.name for spec in dump.tensors]
    found = step_groups(names)
    if not found.groups:
        return [{names[index] for index in counted}]
    which = set(counted)
    return [{found.names[index] for index in indices if index in which} for indices in found.groups.values()]


def by_step(dumps: Sequence[MeasuredDump]) -> list[MeasuredDump]:
    """Put dumps in the order of their steps; where any has none, the order stays and no step is named."""
    found, counts = discovery.by_step(dumps, lambda dump: dump.step)
    return found if counts else [replace(dump, step=None) for dump in found]


def check_taken(dumps: Sequence[MeasuredDump], selection: Selection) -> None:
    """Raise where --include was given and matches no tensor of any dump."""
    if selection.include:
        check_included([spec.name for dump in dumps for spec in dump.tensors], selection)
