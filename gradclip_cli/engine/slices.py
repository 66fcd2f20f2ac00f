"""Measure files whose slices along axis 0 are dumps: each tensor is read once, in order, and cut where its slices end."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby, pairwise
from typing import NamedTuple

import numpy as np

from gradclip_cli.engine.dump_notes import name_notes
from gradclip_cli.engine.executors.base import Executor, room
from gradclip_cli.engine.executors.receipts import HasReceipts, map_with_receipts
from gradclip_cli.engine.first_nonfinite import FirstNonfinite
from gradclip_cli.engine.measure import (
    FileRead,
    Findings,
    PieceObserver,
    Read,
    See,
    ahead,
    fetch,
    foretell,
    seen,
    sendable_bytes,
)
from gradclip_cli.engine.run import Run
from gradclip_cli.engine.survey import MeasuredDump, ObserverFor, observer_of
from gradclip_cli.errors import InputError, UsageError
from gradclip_cli.inputs.opened import OpenDump, OpenFile
from gradclip_cli.inputs.selection import check_included
from gradclip_cli.inputs.slices import check_roles, scalar_notes, slice_count, step_tensors
from gradclip_cli.inputs.source import DumpSource
from gradclip_cli.notes import Note
from gradclip_cli.numerics.dtypes import decode
from gradclip_cli.numerics.measuring import measure_piece, measure_rows
from gradclip_cli.numerics.norms import BLOCK, SumKinds, stored_sums
from gradclip_cli.numerics.statistics import PieceStats, merge
from gradclip_cli.numerics.statistics_arrays import StatsArrays
from gradclip_cli.numerics.statistics_table import StatsTable
from gradclip_cli.numerics.workspace import Workspace
from gradclip_cli.spec_table import names_of
from gradclip_cli.tensors import Piece, TensorSpec, pieces_in_order, slices_in_order, split_slices
from gradclip_cli.text import printable


class SliceStats(NamedTuple):
    """The statistics of slices `first` and after of one tensor: a row each, or those of a piece of one large slice."""

    tensor: int
    first: int
    rows: StatsArrays | None
    part: PieceStats | None = None


class SliceTask(NamedTuple):
    """Measures pieces of tensors slice by slice; it can be pickled if `see` can."""

    specs: Sequence[TensorSpec]
    read: Read
    sums: SumKinds
    work: Workspace
    see: See | None = None

    def measure(self, piece: Piece) -> tuple[list[SliceStats], Findings]:
        """Return the statistics of the slices in a piece, and what was found; a piece of an encoded tensor is all of it."""
        spec, findings = self.specs[piece.index], Findings()
        with room(spec.held):
            parts = slices_in_order(piece, spec) if spec.offset is None else (piece,)
            return [self._part(part, spec, findings) for part in parts], findings

    def expect(self, items: Sequence[Piece]) -> None:
        """Tell a remote file which pieces are measured next."""
        foretell(self.read, self.specs, items)

    def _part(self, piece: Piece, spec: TensorSpec, findings: Findings) -> SliceStats:
        raw, size = fetch(self.read, piece, self.specs, self.work), spec.slice_size
        part, rows = None, None
        found: PieceStats | StatsArrays
        if size > BLOCK:
            found = part = measure_piece(raw, spec.dtype, self.sums, self.work)
        else:
            count = (piece.stop - piece.start) // size
            found = rows = measure_rows(raw, spec.dtype, count, size, self.sums, self.work)
        findings += seen(self.see, piece, raw, found)
        return SliceStats(piece.index, piece.start // size, rows, part)


class SliceTable(NamedTuple):
    """The statistics of every slice of some tensors (ascending indices); `ints` and `floats` are slices × tensors × columns."""

    indices: Sequence[int]
    block: StatsArrays

    @classmethod
    def empty(cls, count: int, indices: Sequence[int], sums: int) -> "SliceTable":
        """Return a table of zeros for `count` slices: each column in one piece of memory, of which zeros take none."""
        ints, floats = StatsArrays.empty(0, sums)
        shape = count, len(indices)
        arrays = np.zeros((ints.shape[1], *shape), np.int64), np.zeros((floats.shape[1], *shape))
        return cls(indices, StatsArrays(*(np.moveaxis(array, 0, -1) for array in arrays)))  # type: ignore[arg-type]

    def of(self, row: int, scale: float = 1.0) -> StatsTable:
        """Return the statistics of one slice, whose elements have this loss scale."""
        return StatsTable(self.indices, StatsArrays(self.block.ints[row], self.block.floats[row]), scale)

    def put(self, found: Iterable[SliceStats], sums: SumKinds) -> None:
        """Fill in what was measured; the pieces of a large slice come one after the other."""
        column = {index: k for k, index in enumerate(self.indices)}
        for (tensor, first), group in groupby(found, lambda one: (one.tensor, one.first)):
            parts = list(group)
            rows = parts[0].rows
            if rows is None:
                rows = StatsArrays.of([merge([one.part for one in parts if one.part], sums)], len(sums))
            at = slice(first, first + len(rows.ints))
            for table, values in zip(self.block, rows, strict=True):
                for which in np.flatnonzero(values.any(axis=0)).tolist():
                    table[at, column[tensor], which] = values[:, which]


def measure_tensors(
    wanted: Sequence[int],
    count: int,
    task: SliceTask,
    workers: Executor,
    observe: PieceObserver | None = None,
    sources: Sequence[HasReceipts] = (),
) -> SliceTable:
    """Measure all `count` slices of the tensors `wanted`; `sources` are all readers that it uses."""
    found = SliceTable.empty(count, wanted, len(task.sums))
    filled = [index for index in wanted if task.specs[index].size]
    nbytes = sendable_bytes(task.specs, filled, workers)
    every = ahead(sources, task.specs, split_slices(task.specs, filled), here=not workers.far)

    def results() -> Iterator[SliceStats]:
        for some, findings in map_with_receipts(workers, task.measure, every, nbytes, sources):
            if observe is not None:
                observe.take_all(findings)
            yield from some

    found.put(results(), task.sums)
    return found


class Steps(NamedTuple):
    """The steps of slices, and the tensor that holds them; without one, they are the numbers of the slices."""

    numbers: Sequence[int]
    name: str | None = None

    @property
    def ascend(self) -> bool:
        """Whether each step is after the one before."""
        return all(a < b for a, b in pairwise(self.numbers))

    def notes(self, path: str) -> list[Note]:
        """Return a note if slices stay in the order of the file because their steps do not ascend."""
        if self.ascend:
            return []
        what = f"the steps in {printable(self.name or '')} do not ascend, as after a run that was resumed"
        return [Note("steps", f"{path}: {what}; every slice is a dump, in the order of the file", changes_figures=True)]


def read_steps(file: OpenFile, count: int | None, work: Workspace) -> Steps | None:
    """Read the steps of `count` slices, or of any number, from the tensor that holds them; None if there is none."""
    candidates = step_tensors(file.tensors, count)
    if not candidates:
        return None
    spec, numbers = file.reader.tensors[candidates[0]], list[int]()
    for piece in pieces_in_order(Piece(candidates[0], 1, 0, spec.size)):
        raw = fetch(file.reader.read, piece, file.reader.tensors, work)
        numbers += decode(raw, spec.dtype, work).tolist()
    return Steps(numbers, file.tensors[candidates[0]].name)


class _SlicedFile(NamedTuple):
    """The slices in a file, and their steps; a file without gradients may hold the steps for others."""

    length: int
    table: SliceTable | None
    steps: Steps | None


def measure_slices(
    source: DumpSource, sums: SumKinds, run: Run, observer_for: ObserverFor | None = None
) -> list[MeasuredDump]:
    """Read a dump once along axis 0; return a dump for each slice, in the order of the file."""
    if source.layout.accumulate:
        raise UsageError("--along and --accumulate exclude each other: slices are dumps, or files are parts of one")
    if source.layout.in_pieces:
        what = "--along 0 takes whole tensors apart, but the files of ranks hold pieces of them"
        raise UsageError(f"{printable(source.location)}: {what}; give the files without --shards")
    firsts = FirstNonfinite(run.workers.work, slices=True)
    with run.open(source) as dump:
        files = [_measure_file(dump, file, sums, run, [firsts.observer_for, observer_for]) for file in dump.each()]
        dump.check()
    tables = [(file.start, one.table) for file, one in zip(dump.files, files, strict=True) if one.table is not None]
    lengths = list(dict.fromkeys(one.length for one in files if one.table is not None))
    if not tables:
        check_included([spec.name for spec in dump.tensors], run.selection)
        raise InputError("holds no float tensor to take slices of; leave out --along", path=source.location)
    if len(lengths) > 1:
        each = " and ".join(f"{length:,}" for length in lengths)
        raise InputError(f"--along 0 needs one length of axis 0, but its files have {each}", path=source.location)
    found = (one.steps for one in files if one.steps is not None and len(one.steps.numbers) == lengths[0])
    table = _joined(tables)
    names = [] if run.selection.include else name_notes(dump, table.indices)
    return _dumps(dump, run, table, next(found, _own_steps(dump, lengths[0])), names, firsts)


def _own_steps(dump: OpenDump, count: int) -> Steps:
    """Return the steps of slices that no tensor tells: all are of the step of the file, if that is known."""
    return Steps(range(count) if dump.step is None else [dump.step] * count)


def _measure_file(
    dump: OpenDump, file: OpenFile, sums: SumKinds, run: Run, observers: Sequence[ObserverFor | None]
) -> _SlicedFile:
    reader, counted = file.reader, file.outline.counted
    observe = observer_of(file, observers)
    if not counted:
        steps = read_steps(file, None, run.workers.work)
        reader.verify(rest=file.outline.taken)
        return _SlicedFile(0, None, steps)
    specs = [file.tensors[index] for index in counted]
    count = slice_count(specs, file.path)
    check_roles(specs, file.path)
    steps = read_steps(file, count, run.workers.work)
    kinds = stored_sums(sums, dump.scale)
    read, see = FileRead(file.portable, run.progress).read, observe.see if observe is not None else None
    task = SliceTask(reader.tensors, read, kinds, run.workers.work, see)
    table = measure_tensors(counted, count, task, run.workers, observe, [file.portable])
    reader.verify(rest=file.outline.taken)
    return _SlicedFile(count, table, steps)


def _joined(parts: Sequence[tuple[int, SliceTable]]) -> SliceTable:
    """Join the tables of several files, each given with the index in the dump of its first tensor."""
    if len(parts) == 1:
        return parts[0][1]
    indices = [start + index for start, table in parts for index in table.indices]
    blocks = [table.block for _, table in parts]
    ints, floats = (np.concatenate(arrays, axis=1) for arrays in zip(*blocks, strict=True))
    return SliceTable(indices, StatsArrays(ints, floats))


def _dumps(
    dump: OpenDump, run: Run, table: SliceTable, steps: Steps, names: Sequence[Note], firsts: FirstNonfinite
) -> list[MeasuredDump]:
    """Make a dump of each slice; the first one lists the tensors that have no slices, and the notes on the files."""
    source, taken, places = dump.source, set(table.indices), run.places(names_of(dump.tensors))
    tensors = [
        replace(spec, shape=spec.shape[1:], offset=None, slot=None) if index in taken else spec
        for index, spec in enumerate(dump.tensors)
    ]
    gradients = [dump.tensors[index] for index in table.indices]
    notes = [*dump.notes, *scalar_notes(gradients, source.location), *steps.notes(source.location), *names]
    first = MeasuredDump(
        source, steps.numbers[0], dump.files, tensors, places, table.of(0, dump.scale), dump.non_numeric
    )
    first = replace(first, file_notes=notes, row=0, ordered=steps.name is not None and steps.ascend, firsts=firsts)
    others = replace(first, non_numeric=[], file_notes=(), members=table.indices)
    found = [first]
    for row in range(1, len(steps.numbers)):
        found.append(replace(others, step=steps.numbers[row], stats=table.of(row, dump.scale), row=row))
        found[row].__dict__.update(layers=first.layers, named=first.named)  # the same for all slices
    return found
