"""Read series of dumps, in separate files or in one, in the order of their steps, and compare them with the first."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from gradclip_cli.engine.replicated import count_replicated
from gradclip_cli.engine.run import Run
from gradclip_cli.engine.slices import measure_slices
from gradclip_cli.engine.survey import MeasuredDump, ObserverFor, measure_dump
from gradclip_cli.engine.tied import count_tied, count_tied_slices
from gradclip_cli.errors import InputError
from gradclip_cli.inputs import discovery
from gradclip_cli.inputs.layouts.series import step_groups
from gradclip_cli.inputs.naming import Naming
from gradclip_cli.inputs.selection import Selection, check_included
from gradclip_cli.inputs.slices import slice_count
from gradclip_cli.inputs.source import DumpSource
from gradclip_cli.inputs.steps import step_named
from gradclip_cli.notes import Note
from gradclip_cli.numerics.norms import SumKinds
from gradclip_cli.text import plural, printable, shortlist

Shapes = Mapping[str, tuple[int, ...] | None]
"""The shapes of the measured tensors, by name; None if the pieces of a tensor differ in shape."""


def measure_series(
    source: DumpSource, sums: SumKinds, run: Run, observer_for: ObserverFor | None = None
) -> list[MeasuredDump]:
    """Read and measure an input once; return its dump, or one dump for each step in it.

    Copies count as the user says. Inputs must be read in the order of steps, since the first dump decides what is tied.
    """
    if run.selection.along is not None:
        return count_tied_slices(measure_slices(source, sums, run, observer_for), run)
    found = split(measure_dump(source, sums, run, observer_for), run.selection.naming)
    if source.layout.in_pieces:
        # Pieces that say where they belong are no copies, whatever their bits.
        found = [
            dump if dump.wholes and not run.selection.replicated else count_replicated(dump, run) for dump in found
        ]
    return [count_tied(dump, run, run.ties) for dump in found]


def split(dump: MeasuredDump, naming: Naming) -> list[MeasuredDump]:
    """Return a dump for each step, in order, if all tensors are in groups named after two or more steps; else the dump.

    Each of them lists all tensors of the file, by their names inside the groups, but has the statistics of its own only.
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
            file_notes=dump.file_notes if k == 0 else [],
            prefix=f"{group}/",
            members=indices,
        )
        for k, (group, indices) in enumerate(found.groups.items())
    ]


def shared_names(sources: Sequence[DumpSource], run: Run, keep_going: bool, skip: int = 0) -> set[str]:
    """Return the tensor names that all dumps after the first `skip` have in common, from their headers.

    With `keep_going`, dumps that cannot be read are left out.
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
    """Return the names of the selected gradients in each dump of an input, from its headers."""
    counted: list[int] = []
    with run.open(source) as dump:
        for file in dump.each():
            start = dump.files[-1].start
            counted += [start + index for index in dump.counted(file)]
    names = [spec.name for spec in dump.tensors]
    if run.selection.along is not None:
        shared, specs = {names[index] for index in counted}, [dump.tensors[index] for index in counted]
        return [shared] * slice_count(specs, source.location) if specs else []
    found = step_groups(names)
    if not found.groups:
        return [{names[index] for index in counted}]
    which = set(counted)
    return [{found.names[index] for index in indices if index in which} for indices in found.groups.values()]


def by_step(dumps: Sequence[MeasuredDump]) -> list[MeasuredDump]:
    """Sort dumps by step; what has no step comes last, and slices whose steps tell no order stay as they are."""
    return discovery.by_step(dumps, lambda dump: dump.step if dump.ordered else None)


def check_taken(dumps: Sequence[MeasuredDump], selection: Selection) -> None:
    """Raise UsageError if a pattern of --include or --replicated matches no tensor of any dump."""
    if selection.include or selection.replicated:
        check_included([spec.name for dump in dumps for spec in dump.tensors], selection)


def shapes_of(dump: MeasuredDump) -> Shapes:
    """Return the shapes of the measured tensors of a dump."""
    return {name: dump.shape(indices) for name, indices in dump.named.items()}


def tensor_difference(first: Shapes, dump: MeasuredDump) -> str:
    """Describe how a dump differs from the first in its tensors, or else in their shapes; empty if it does not."""
    own = shapes_of(dump)
    if own == first:
        return ""
    which = f"step {dump.step} has" if dump.prefix else "has"
    missing, extra = sorted(first.keys() - own.keys()), sorted(own.keys() - first.keys())
    if missing or extra:
        parts = [f"lacks {shortlist(missing, 4)}"] if missing else []
        parts += [f"also has {shortlist(extra, 4)}"] if extra else []
        return f"{which} other tensors than the first dump: it {' and '.join(parts)}"
    changed = [name for name, shape in own.items() if shape != first[name]]
    name, more = changed[0], f", and {plural(len(changed) - 1, 'other')}" if changed[1:] else ""
    return f"{which} other shapes than the first dump: {printable(name)} is {own[name]}, not {first[name]}{more}"


def difference_notes(dumps: Iterable[tuple[str, str]]) -> list[Note]:
    """Return a note for each dump that differs; `dumps` are paths and differences, "" for none."""
    return [Note("different-tensors", f"{path}: {what}") for path, what in dumps if what]
