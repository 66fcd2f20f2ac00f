"""The second reading of a dump: every piece is read, changed, written and measured again."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate, groupby
from typing import NamedTuple

from gradclip_cli.engine import row_major
from gradclip_cli.engine.executors import Executor, room
from gradclip_cli.engine.measure import NormTypes, Read, fetch
from gradclip_cli.engine.row_major import Turned
from gradclip_cli.engine.run import Progress, silent
from gradclip_cli.formats.base import Writer
from gradclip_cli.formats.copy_ranges import Copy, subtract_ranges
from gradclip_cli.formats.portable import PortableReader
from gradclip_cli.numerics.dtypes import DType, Raw
from gradclip_cli.numerics.measuring import measure_piece, measure_small
from gradclip_cli.numerics.statistics import PieceStats, merge
from gradclip_cli.numerics.statistics_table import StatsArrays, StatsTable, concatenate
from gradclip_cli.numerics.transforms import byteswap, is_normal, scale, scale_each
from gradclip_cli.numerics.workspace import Workspace
from gradclip_cli.storage.random_access import copy_at
from gradclip_cli.strategies.actions import Action, Scale
from gradclip_cli.tensors import Slab, TensorSpec, cut, in_order

_COPIED = 64 << 20


class Rewritten(NamedTuple):
    """Tensors that changed, as they were written: their statistics, and of each how many elements were clipped one by one."""

    stats: StatsTable
    clipped: dict[int, int]  # by index, where any were

    @classmethod
    def concatenate(cls, parts: Sequence[tuple[int, "Rewritten"]]) -> "Rewritten":
        """Put together what became of several files, whose tensors are those of a dump from some index on."""
        clipped = {start + index: number for start, part in parts for index, number in part.clipped.items()}
        return cls(concatenate([(start, part.stats) for start, part in parts]), clipped)


class Rewriter(NamedTuple):
    """One dump on its way from a reader to a writer; without a writer everything is done but the writing."""

    source: PortableReader
    writer: Writer | None
    fd: int
    output: str
    actions: Mapping[int, Action]  # of the tensors that change
    types: NormTypes
    workers: Executor
    progress: Progress
    written: Sequence[tuple[int, int]] = ()  # bytes of the output that stand there already

    def run(self) -> Rewritten:
        """Write every tensor that has to be written; return what became of those that changed."""
        if self.writer is not None:
            # By one thread: the kernel lets only one write to a file at a time.
            for part in _pieces(subtract_ranges(self.writer.copies, self.written)):
                self._copy(part)
        pending = sorted(self.writer.pending if self.writer is not None else self.actions)
        changed = sorted(self.actions)
        after = Rewritten(StatsTable(changed, StatsArrays.empty(len(changed), len(self.types))), {})
        pieces: dict[int, list[PieceStats]] = {}
        task = RewriteTask(self.source, self.writer, self.actions, self.types, self.workers.work, self.progress)
        for slab, small, parts, clipped in self.workers.map(task.rewrite, cut(self._sources(), pending)):
            if small is not None:
                self._keep(slab, small, after.stats)
            elif parts:
                pieces.setdefault(slab.index, []).extend(parts)
            for index, number in clipped.items():
                after.clipped[index] = after.clipped.get(index, 0) + number
        after.stats.put(
            list(pieces), StatsArrays.of([merge(found, self.types) for found in pieces.values()], len(self.types))
        )
        return after

    def _keep(self, slab: Slab, small: StatsArrays, stats: StatsTable) -> None:
        """Keep the statistics of those small tensors that changed."""
        kept = [k for k in range(slab.count) if slab.index + k in self.actions]
        stats.put([slab.index + k for k in kept], small.take(kept))

    def _sources(self) -> list[TensorSpec]:
        """List the tensors as they are to be cut: what is packed on either side stays in one piece, and is done in order."""
        specs = self.source.reader.tensors
        if self.writer is None:
            return list(specs)
        targets = self.writer.tensors
        return [
            spec if target.offset is not None and spec.fortran == target.fortran else replace(spec, offset=None)
            for spec, target in zip(specs, targets, strict=True)
        ]

    def _copy(self, piece: Copy) -> None:
        copy_at(self.source.reader.file, piece.source, self.fd, piece.target, piece.nbytes, self.output)
        self.progress(piece.nbytes, self.source.path)


class RewriteTask(NamedTuple):
    """Reads, changes, writes and measures slabs; without a writer it can be pickled, and then nobody is told of bytes."""

    source: PortableReader
    writer: Writer | None
    actions: Mapping[int, Action]
    types: NormTypes
    work: Workspace
    progress: Progress = silent

    def rewrite(self, slab: Slab) -> tuple[Slab, StatsArrays | None, list[PieceStats], dict[int, int]]:
        """Return what became of small tensors, or of the pieces of one that changed, and what was clipped."""
        if slab.count > 1:
            small, clipped = self._small(slab)
            return slab, small, [], {slab.index + k: number for k, number in enumerate(clipped) if number}
        reader, target = self.source.reader, self._targets(slab)[0]
        spec = reader.tensors[slab.index]
        if spec.fortran and not target.fortran:
            with Turned(reader.read, spec, self.work, self.source.path) as turned:
                pieces = in_order(slab, spec, row_major.TURNED_BYTES)
                found = [self._piece(piece, target, turned.read) for piece in pieces]
        else:
            with room(spec.held):
                found = [self._piece(piece, target, reader.read) for piece in in_order(slab, spec)]
        changed = [one for one in found if one is not None]
        number = sum(clipped for _, clipped in changed)
        return slab, None, [piece for piece, _ in changed], {slab.index: number} if number else {}

    def _targets(self, slab: Slab) -> Sequence[TensorSpec]:
        specs = self.source.reader.tensors if self.writer is None else self.writer.tensors
        return specs[slab.index : slab.index + slab.count]

    def _piece(self, slab: Slab, target: TensorSpec, read: Read) -> tuple[PieceStats, int] | None:
        """Read, change, write and measure one piece; None for one that has not changed."""
        specs, action = self.source.reader.tensors, self.actions.get(slab.index)
        spec = specs[slab.index]
        raw = fetch(read, slab, specs, self.work)
        clipped = action.apply(raw, spec.dtype, self.work) if action is not None else 0
        if spec.dtype.swapped != target.dtype.swapped:
            byteswap(raw, spec.dtype)
        if self.writer is not None:
            self.writer.write(target, slab.start, raw)
        self.progress(raw.size, self.source.path)
        return (measure_piece(raw, target.dtype, self.types, self.work), clipped) if action is not None else None

    def _small(self, slab: Slab) -> tuple[StatsArrays, list[int]]:
        """Read, change, write and measure small tensors that lie side by side; return how many elements of each were clipped."""
        reader, targets = self.source.reader, self._targets(slab)
        dtype = reader.tensors[slab.index].dtype
        ends = list(accumulate((spec.size for spec in targets), initial=0))
        raw = fetch(reader.read, slab, reader.tensors, self.work)
        actions = [self.actions.get(slab.index + k) for k in range(slab.count)]
        clipped = change(raw, dtype, [spec.size for spec in targets], actions, self.work)
        if dtype.swapped != targets[0].dtype.swapped:
            byteswap(raw, dtype)
        self._write(targets, ends, raw)
        self.progress(raw.size, self.source.path)
        return measure_small(raw, targets[0].dtype, [spec.size for spec in targets], self.types, self.work), clipped

    def _write(self, targets: Sequence[TensorSpec], ends: Sequence[int], raw: Raw) -> None:
        """Write small tensors: all at once where they lie side by side in the output, too."""
        if self.writer is None:
            return
        itemsize, first = targets[0].dtype.itemsize, targets[0].position(0)
        if all(spec.position(0) == first + end * itemsize for spec, end in zip(targets, ends, strict=False)):
            self.writer.write(targets[0], 0, raw)
            return
        for spec, start, stop in zip(targets, ends, ends[1:], strict=False):
            self.writer.write(spec, 0, raw[start * itemsize : stop * itemsize])

    def __reduce__(self) -> tuple[type["RewriteTask"], tuple[object, ...]]:
        if self.writer is not None:
            raise TypeError("a writer stays in the process that began the output")
        return RewriteTask, (self.source, None, self.actions, self.types, self.work)


def _pieces(copies: Iterable[Copy]) -> Iterator[Copy]:
    """Cut what is copied into parts that several threads can copy."""
    for copy in copies:
        for start in range(0, copy.nbytes, _COPIED):
            yield Copy(copy.source + start, copy.target + start, min(_COPIED, copy.nbytes - start))


def change(
    raw: Raw, dtype: DType, sizes: Sequence[int], actions: Sequence[Action | None], work: Workspace
) -> list[int]:
    """Change tensors of so many elements in place; return how many of each were clipped one by one."""
    ends = list(accumulate((size * dtype.itemsize for size in sizes), initial=0))
    clipped = [0] * len(sizes)
    for scaled, run in groupby(range(len(sizes)), lambda k: _only_scales(actions[k])):
        members = list(run)
        if scaled:
            first, last = members[0], members[-1] + 1
            _scale(raw[ends[first] : ends[last]], dtype, actions[first:last], sizes[first:last], work)
            continue
        for k in members:
            if action := actions[k]:
                clipped[k] = action.apply(raw[ends[k] : ends[k + 1]], dtype, work)
    return clipped


def _only_scales(action: Action | None) -> bool:
    return isinstance(action, Scale) and is_normal(action.factor)


def _scale(raw: Raw, dtype: DType, actions: Sequence[Action | None], sizes: Sequence[int], work: Workspace) -> None:
    factors = [action.factor for action in actions if isinstance(action, Scale)]
    if len(set(factors)) == 1:
        scale(raw, dtype, factors[0], factors[0], 1.0, work)
    else:
        scale_each(raw, dtype, factors, sizes, work)
