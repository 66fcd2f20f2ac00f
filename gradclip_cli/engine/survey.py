"""Measure a dump in its first reading: keep names, layers and statistics, but no elements."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from gradclip_cli.engine.copies import Refusal, broken_copy, check_copies
from gradclip_cli.engine.dump_notes import notes_on_dump
from gradclip_cli.engine.first_nonfinite import FirstNonfinite
from gradclip_cli.engine.measure import PieceObserver, measure, together
from gradclip_cli.engine.reading import FileRead
from gradclip_cli.engine.run import Run
from gradclip_cli.formats.base import Format, Reader
from gradclip_cli.inputs.captured import stood_out
from gradclip_cli.inputs.layouts.series import outside_note
from gradclip_cli.inputs.naming import LayerParam, natural
from gradclip_cli.inputs.opened import DumpFile, OpenDump, OpenFile, file_of
from gradclip_cli.inputs.pieces import Whole
from gradclip_cli.inputs.places import Places
from gradclip_cli.inputs.repeats import StepPlace
from gradclip_cli.inputs.slices import check_roles
from gradclip_cli.inputs.source import DumpSource
from gradclip_cli.notes import Note
from gradclip_cli.numerics.groups import Groups, NamedGroups
from gradclip_cli.numerics.norms import SumKinds, stored_sums
from gradclip_cli.numerics.statistics_table import StatsTable, concatenate
from gradclip_cli.spec_table import labels_of, names_of
from gradclip_cli.tensors import TensorSpec
from gradclip_cli.text import shortlist

if TYPE_CHECKING:
    from gradclip_cli.engine.unit_meter import MeasuredUnits
    from gradclip_cli.numerics.first_nonfinite import Nonfinite

ObserverFor = Callable[[Format, Reader], PieceObserver | None]
"""Called for each file before it is measured; returns an observer for its pieces, or None."""


@dataclass(frozen=True)
class MeasuredDump:
    """One input, or one step of it: its tensors, their layers and params, and the statistics of the measured ones, by index."""

    source: DumpSource
    step: int | None
    files: list[DumpFile]
    tensors: Sequence[TensorSpec]
    places: Sequence[LayerParam]
    stats: StatsTable
    non_numeric: list[str] = field(default_factory=list)
    prefix: str = ""  # of its tensor names in the file, if that holds a series
    members: Sequence[int] | None = None  # its own tensors, if others belong to other steps
    file_notes: Sequence[Note] = ()  # on its files
    outside_steps: Sequence[str] = ()  # names outside the step groups, which keep a file from being a series
    wholes: Mapping[str, Whole] = field(default_factory=dict)  # tensors whose pieces say where they belong, by name
    row: int | None = None  # its index along axis 0 of the file, if each slice there is a dump
    ordered: bool = True  # whether its step tells its place in a series
    copies: Mapping[int, int] = field(default_factory=dict)
    """Tensors or pieces that count in no figure, with those that they are copies of: what is done to these is done to them."""
    copy_notes: Sequence[Note] = ()  # on what may count more often than it should
    other_names: Mapping[str, str] = field(default_factory=dict)  # in the series, of tensors that have others here
    firsts: FirstNonfinite | None = None  # where its files are not finite
    stood_out: bool = False  # whether it was captured for what it, or a step beside it, is like
    units: Mapping[int, "MeasuredUnits"] = field(default_factory=dict)  # by index, if a strategy compares those

    @property
    def place(self) -> StepPlace:
        """Where its step is, if that tells its place in a series."""
        inside = bool(self.prefix) or self.row is not None
        return StepPlace(self.step if self.ordered else None, self.source.location, inside)

    @property
    def left_out(self) -> list[int]:
        """The indices of its tensors that were not measured: one for each tensor that is put together from pieces."""
        every = range(len(self.tensors)) if self.members is None else self.members
        if len(self.stats) == len(every) and not self.copies:
            return []
        rest = [index for index in every if index not in self.stats and index not in self.copies]
        return list({self.tensors[k].name: k for k in reversed(rest)}.values())[::-1] if self.wholes else rest

    @cached_property
    def tied(self) -> dict[str, list[int]]:
        """The indices of tensors that another one counts for, by name."""
        found: dict[str, list[int]] = {}
        for copy, original in self.copies.items():
            if self.tensors[copy].name != self.tensors[original].name:
                found.setdefault(self.tensors[copy].name, []).append(copy)
        return found

    def tied_to(self, index: int) -> list[str]:
        """Return the names of the tensors that the one with this index counts for."""
        return [name for name, copies in self.tied.items() if self.copies[copies[0]] == index]

    @property
    def nonfinite(self) -> "list[Nonfinite]":
        """The tensors with elements that are NaN or infinite, and where the first of these is; found anew each time."""
        return self.firsts.of(self) if self.firsts is not None else []

    def own_name(self, index: int) -> str:
        """Return the name of a tensor in its file."""
        return self.prefix + self.tensors[index].name

    def located(self, index: int) -> str:
        """Return the name of a tensor in its file, and the step if the file holds a slice of it for each."""
        return self.own_name(index) if self.row is None else f"{self.own_name(index)} of step {self.step}"

    def file_of(self, index: int) -> DumpFile:
        """Return the file that holds a tensor."""
        return file_of(self.files, index)

    def name_of(self, index: int) -> str:
        """Return the name of a tensor in the series."""
        name = self.tensors[index].name
        return self.other_names.get(name, name)

    @cached_property
    def named(self) -> Mapping[str, Sequence[int]]:
        """The indices of measured tensors by their names in the series, in the order of their layers.

        All pieces of a tensor have one name.
        """
        found: dict[str, Sequence[int]] = {}
        tensors, layers = self.tensors, self.layers
        if isinstance(layers, NamedGroups) and not self.other_names:
            names = list(map(names_of(tensors).__getitem__, layers.groups.members.tolist()))
            if len(set(names)) == len(names):
                return NamedGroups(names, Groups.of_one_each(layers.groups.members))
        for indices in layers.values():
            if len(indices) == 1:  # safe to share the list: all pieces of a tensor are in one layer
                found[tensors[indices[0]].name] = indices
                continue
            for index in indices:
                found.setdefault(tensors[index].name, list[int]()).append(index)  # type: ignore[attr-defined]
        return {self.other_names.get(name, name): found[name] for name in found} if self.other_names else found

    def shape(self, indices: Sequence[int]) -> tuple[int, ...] | None:
        """Return the shape of a tensor, the full one where that is known; None if its pieces differ in shape."""
        if self.wholes and (whole := self.wholes.get(self.tensors[indices[0]].name)) is not None:
            return whole.shape
        if len(indices) == 1:
            return self.tensors[indices[0]].shape
        shapes = {self.tensors[index].shape for index in indices}
        return shapes.pop() if len(shapes) == 1 else None

    @property
    def labels(self) -> dict[str, str]:
        """The labels that frameworks give to layers, by the layer's name in the file."""
        return {self.places[index].layer: label for index, label in labels_of(self.tensors).items()}

    @property
    def notes(self) -> list[Note]:
        """Notes for the user on how the dump was read."""
        path, notes = self.source.files[0], list(self.file_notes)
        if self.non_numeric:
            notes.append(Note("not-numbers", f"{path}: not numbers, left as they are: {shortlist(self.non_numeric)}"))
        if self.outside_steps:
            notes.append(outside_note(path, self.outside_steps))
        return [*notes, *self.copy_notes]

    @cached_property
    def layers(self) -> Mapping[str, Sequence[int]]:
        """The indices of measured tensors by layer; layers are in natural order."""
        if isinstance(self.places, Places):
            return self.places.by_layer(self.stats.indices)
        found: dict[str, list[int]] = {}
        places = self.places
        for index in self.stats:
            layer = places[index].layer
            if layer in found:
                found[layer].append(index)
            else:
                found[layer] = [index]
        return {layer: found[layer] for layer in sorted(found, key=natural)}


def measure_dump(source: DumpSource, sums: SumKinds, run: Run, observer_for: ObserverFor | None = None) -> MeasuredDump:
    """Read a dump once and measure the selected gradients in all of its files, and their units if the run has an axis for them."""
    firsts, meter = FirstNonfinite(run.workers.work), run.unit_meter(source)
    observers = [firsts.observer_for, observer_for, meter.observer_for if meter is not None else None]
    with run.open(source) as dump:
        stats = []
        for file in dump.each():
            if meter is not None:
                meter.begin(names_of(file.outline.tensors))
            stats.append(measure_file(dump, file, sums, run, observers))
        dump.check()
    measured = surveyed(dump, stats, run, firsts)
    if meter is None:
        return measured
    notes = [*measured.file_notes, *meter.notes(source.files[0])]
    return replace(measured, units=meter.by_index([file.start for file in dump.files]), file_notes=notes)


def surveyed(dump: OpenDump, stats: Sequence[StatsTable], run: Run, firsts: FirstNonfinite | None) -> MeasuredDump:
    """Describe a dump that was read, with the statistics of the tensors of each of its files."""
    found = concatenate([(file.start, one) for file, one in zip(dump.files, stats, strict=True)]).scaled(dump.scale)
    tensors = dump.tensors
    measured = MeasuredDump(
        dump.source,
        dump.step,
        dump.files,
        tensors,
        run.shared("places", tensors, lambda: run.places(names_of(tensors))),
        found,
        dump.non_numeric,
        file_notes=notes_on_dump(dump, found, run),
        wholes=dump.wholes,
        firsts=None if found.all_finite else firsts,
        stood_out=stood_out(dump.metadata),
    )
    copies = {copy: original for whole in dump.wholes.values() for copy, original in whole.copies.items()}
    return count_once(measured, copies, run) if copies else measured


def observer_of(file: OpenFile, observers: Sequence[ObserverFor | None]) -> PieceObserver | None:
    """Return one observer of the pieces of a file for several."""
    return together([one(file.format, file.reader) for one in observers if one is not None])


def measure_file(
    dump: OpenDump, file: OpenFile, sums: SumKinds, run: Run, observers: Sequence[ObserverFor | None]
) -> StatsTable:
    """Measure the gradients of an open file."""
    reader, read, outline = file.reader, FileRead(file.portable, run.progress).read, file.outline
    check_roles(outline.gradients, file.path)
    kinds, observe = stored_sums(sums, dump.scale), observer_of(file, observers)
    known, sources = outline.pieces_of(reader.tensors), [file.portable]
    found = measure(reader.tensors, outline.counted, read, kinds, run.workers, observe, sources, known)
    reader.verify(rest=outline.taken)
    return found


def count_once(dump: MeasuredDump, copies: Mapping[int, int], run: Run, refusal: Refusal = broken_copy) -> MeasuredDump:
    """Count each tensor or piece of a dump once that `copies` maps copies to, by index; copies are written like their originals.

    Raises the error of `refusal` where a copy and its original are not the same bits.
    """
    counted = {copy: original for copy, original in copies.items() if copy in dump.stats}
    check_copies(counted, dump.files, dump.tensors, run, refusal)
    return counted_without(dump, counted)


def counted_without(dump: MeasuredDump, copies: Mapping[int, int]) -> MeasuredDump:
    """Count copies, which are known to be the same bits as their originals, in no figure."""
    if not copies:
        return dump
    stats = dump.stats.only(index for index in dump.stats if index not in copies)
    known = {copy: copies.get(original, original) for copy, original in dump.copies.items()}
    return replace(dump, stats=stats, copies={**known, **copies})
