"""Measure a dump in its first reading: keep names, layers and statistics, but no elements."""

from bisect import bisect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby

from gradclip_cli.engine.measure import FileRead, PieceObserver, fetch, measure
from gradclip_cli.engine.run import Run
from gradclip_cli.formats.base import Format, Reader
from gradclip_cli.inputs.naming import LayerParam, natural
from gradclip_cli.inputs.opened import DumpFile, OpenDump, OpenFile
from gradclip_cli.inputs.slices import check_roles, log_notes
from gradclip_cli.inputs.source import DumpSource
from gradclip_cli.notes import Note
from gradclip_cli.numerics.norms import SumKinds
from gradclip_cli.numerics.statistics_table import StatsTable, concatenate
from gradclip_cli.tensors import Piece, TensorSpec, pieces_in_order
from gradclip_cli.text import shortlist

ObserverFor = Callable[[Format, Reader], PieceObserver | None]
"""Called for each file before it is measured; returns an observer for its pieces, or None."""


@dataclass(frozen=True)
class MeasuredDump:
    """One input, or one step of it: its tensors, their layers and params, and the statistics of the measured ones, by index."""

    source: DumpSource
    step: int | None
    files: list[DumpFile]
    tensors: list[TensorSpec]
    places: list[LayerParam]
    stats: StatsTable
    non_numeric: list[str] = field(default_factory=list)
    replicas: list[str] = field(default_factory=list)
    prefix: str = ""  # of its tensor names in the file, if that holds a series
    members: Sequence[int] | None = None  # its own tensors, if others belong to other steps
    file_notes: Sequence[Note] = ()  # on its files
    outside_steps: Sequence[str] = ()  # names outside the step groups, which keep a file from being a series
    row: int | None = None  # its index along axis 0 of the file, if each slice there is a dump
    ordered: bool = True  # whether its step tells its place in a series

    @property
    def left_out(self) -> list[int]:
        """The indices of its tensors that were not measured."""
        every = range(len(self.tensors)) if self.members is None else self.members
        return [index for index in every if index not in self.stats]

    def own_name(self, index: int) -> str:
        """Return the name of a tensor in its file."""
        return self.prefix + self.tensors[index].name

    def located(self, index: int) -> str:
        """Return the name of a tensor in its file, and the step if the file holds a slice of it for each."""
        return self.own_name(index) if self.row is None else f"{self.own_name(index)} of step {self.step}"

    def file_of(self, index: int) -> DumpFile:
        """Return the file that holds a tensor."""
        return self.files[bisect(self._starts, index) - 1]

    @cached_property
    def _starts(self) -> list[int]:
        return [file.start for file in self.files]

    @cached_property
    def named(self) -> dict[str, list[int]]:
        """The indices of measured tensors by name, in the order of their layers; all pieces of a tensor have one name."""
        found: dict[str, list[int]] = {}
        tensors = self.tensors
        for indices in self.layers.values():
            if len(indices) == 1:  # safe to share the list: all pieces of a tensor are in one layer
                found[tensors[indices[0]].name] = indices
                continue
            for index in indices:
                found.setdefault(tensors[index].name, []).append(index)
        return found

    def shape(self, indices: Sequence[int]) -> tuple[int, ...] | None:
        """Return the shape of a tensor; None if its pieces differ in shape."""
        if len(indices) == 1:
            return self.tensors[indices[0]].shape
        shapes = {self.tensors[index].shape for index in indices}
        return shapes.pop() if len(shapes) == 1 else None

    @property
    def labels(self) -> dict[str, str]:
        """The labels that frameworks give to layers, by the layer's name in the file."""
        pairs = zip(self.tensors, self.places, strict=True)
        return {place.layer: spec.label for spec, place in pairs if spec.label is not None}

    @property
    def notes(self) -> list[Note]:
        """Notes for the user on how the dump was read."""
        path, notes = self.source.files[0], list(self.file_notes)
        if self.non_numeric:
            notes.append(Note("not-numbers", f"{path}: not numbers, left as they are: {shortlist(self.non_numeric)}"))
        if self.outside_steps:
            what = f"it holds more than groups that are named after steps: {shortlist(list(self.outside_steps), 4)}"
            notes.append(Note("no-series", f"{path}: taken for one dump, not for a series, since {what}"))
        if self.replicas:
            what = f"the same in all ranks, so perhaps copies and not pieces: {shortlist(self.replicas)}"
            notes.append(Note("replicas", f"{path}: {what}"))
        return notes

    @cached_property
    def layers(self) -> dict[str, list[int]]:
        """The indices of measured tensors by layer; layers are in natural order."""
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
    """Read a dump once and measure the selected gradients in all of its files."""
    with run.open(source) as dump:
        stats = [_measure_file(dump, file, sums, run, observer_for) for file in dump.each()]
        dump.check()
    found = concatenate(list(zip([file.start for file in dump.files], stats, strict=True)))
    measured = MeasuredDump(source, dump.step, dump.files, dump.tensors, dump.places, found, dump.non_numeric)
    log = log_notes([dump.tensors[index] for index in found], source.location)
    measured = replace(measured, file_notes=[*dump.notes, *dump.step_notes, *log])
    return replace(measured, replicas=_replicas(measured, run)) if source.layout.in_pieces else measured


def _measure_file(
    dump: OpenDump, file: OpenFile, sums: SumKinds, run: Run, observer_for: ObserverFor | None = None
) -> StatsTable:
    reader, read, counted = file.reader, FileRead(file.portable, run.progress).read, dump.counted(file)
    check_roles([file.tensors[index] for index in counted], file.path)
    observe = observer_for(file.format, reader) if observer_for is not None else None
    found = measure(reader.tensors, counted, read, sums, run.workers, observe)
    reader.verify(rest=True)
    return found


def _replicas(dump: MeasuredDump, run: Run) -> list[str]:
    """Return the tensors whose pieces are identical byte for byte: if they are copies, norms count them more than once."""
    alike = {
        name: indices
        for name, indices in dump.named.items()
        if len(indices) > 1 and dump.shape(indices) and len({dump.stats[index] for index in indices}) == 1
    }
    digests = _digests(dump, sorted(index for indices in alike.values() for index in indices), run)
    return [name for name, indices in alike.items() if len({digests[index] for index in indices}) == 1]


def _digests(dump: MeasuredDump, indices: Iterable[int], run: Run) -> dict[int, bytes]:
    """Return the SHA-256 digest of each tensor's elements, by index; each file is opened once."""
    import hashlib

    found = {}
    for file, members in groupby(indices, dump.file_of):
        with run.reopen(file) as opened:
            for index in members:
                spec, digest = dump.tensors[index], hashlib.sha256()
                for piece in pieces_in_order(Piece(0, 1, 0, spec.size), spec):
                    digest.update(fetch(opened.reader.read, piece, [spec], run.workers.work).data)
                found[index] = digest.digest()
    return found
