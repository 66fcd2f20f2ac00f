"""Rewrite a dump in its second reading: read, change, write and measure every piece."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, groupby
from typing import NamedTuple

from gradclip_cli.engine import row_major
from gradclip_cli.engine.copied_ranges import CopyTask, in_parts
from gradclip_cli.engine.executors.base import Executor, room
from gradclip_cli.engine.executors.progress import Progress, portable, silent
from gradclip_cli.engine.executors.receipts import map_with_receipts
from gradclip_cli.engine.measure import NormTypes, sendable_bytes
from gradclip_cli.engine.reading import Read, ahead, fetch
from gradclip_cli.engine.row_major import RowMajorReader
from gradclip_cli.formats.base import Writer
from gradclip_cli.formats.by_offset import OffsetWriter
from gradclip_cli.formats.copy_ranges import subtract_ranges
from gradclip_cli.formats.portable import PortableReader
from gradclip_cli.numerics.conversion import converted, wide_type, widened
from gradclip_cli.numerics.dtypes import DType, Raw
from gradclip_cli.numerics.measuring import measure_piece, measure_small
from gradclip_cli.numerics.statistics import PieceStats, merge
from gradclip_cli.numerics.statistics_arrays import StatsArrays
from gradclip_cli.numerics.statistics_table import StatsTable, concatenate
from gradclip_cli.numerics.transforms import byteswap, is_normal, scale, scale_each
from gradclip_cli.numerics.workspace import Workspace
from gradclip_cli.spec_table import SpecTable, adjoining, dtypes_of, sizes_of
from gradclip_cli.storage.descriptor import Descriptor
from gradclip_cli.strategies.action_table import actions_on, ascending, each_by_identity, indices_of
from gradclip_cli.strategies.actions import UNCHANGED, Action, Scale
from gradclip_cli.tensors import Piece, TensorSpec, laid_for, pieces_in_order, split


class Rewritten(NamedTuple):
    """The changed tensors as they were written: their statistics, and how many elements of each were clipped one by one."""

    stats: StatsTable
    clipped: dict[int, int]  # by index; only tensors with clipped elements

    @classmethod
    def concatenate(cls, parts: Sequence[tuple[int, "Rewritten"]]) -> "Rewritten":
        """Join the results of several files; each comes with the index in the dump of its first tensor."""
        clipped = {start + index: number for start, part in parts for index, number in part.clipped.items()}
        return cls(concatenate([(start, part.stats) for start, part in parts]), clipped)


class Rewriter(NamedTuple):
    """Rewrites one file of a dump from a reader to a writer; without a writer it does everything but write."""

    source: PortableReader
    writer: Writer | None
    fd: int
    output: str
    actions: Mapping[int, Action]  # by index, of the tensors that change
    types: NormTypes
    workers: Executor
    progress: Progress
    written: Sequence[tuple[int, int]] = ()  # ranges of bytes that the output already has
    stored: Sequence[TensorSpec] | None = None  # the tensors as they would be written, if there is no writer

    def run(self) -> Rewritten:
        """Copy unchanged bytes and write all other tensors; return the results of those that changed."""
        self.copy()
        return self.rewrite(self.writer.pending if self.writer is not None else self.actions)

    def rewrite(self, pending: Iterable[int]) -> Rewritten:
        """Write the tensors `pending`; return the results of those that changed."""
        changed = indices_of(self.actions)
        after = Rewritten(StatsTable(changed, StatsArrays.empty(len(changed), len(self.types))), {})
        pieces: dict[int, list[PieceStats]] = {}
        specs, targets, work = self.source.reader.tensors, self.targets(), self.workers.work
        task = RewriteTask(self.source, specs, targets, self.writer, self.actions, self.types, work, self.progress)
        sources, wanted = self.sources(), ascending(pending)
        used = (self.source, self.writer)
        nbytes = sendable_bytes(sources, wanted, self.workers)
        every = ahead(used, sources, split(sources, wanted), here=not self.workers.far)
        for piece, small, parts, clipped in map_with_receipts(self.workers, task.rewrite, every, nbytes, used):
            if small is not None:
                self._keep(piece, small, after.stats)
            elif parts:
                pieces.setdefault(piece.index, []).extend(parts)
            for index, number in clipped.items():
                after.clipped[index] = after.clipped.get(index, 0) + number
        after.stats.put(
            list(pieces), StatsArrays.of([merge(found, self.types) for found in pieces.values()], len(self.types))
        )
        return after

    def copy(self) -> None:
        """Copy unchanged bytes, here in one thread: the kernel lets only one thread write to a file at a time."""
        if self.writer is None:
            return
        task = CopyTask(self.source, Descriptor(self.fd), self.output, self.progress)
        parts = in_parts(subtract_ranges(self.writer.copies, self.written))
        if self.workers.far:
            deque(self.workers.map(task.copy, parts, sum(part.nbytes for part in parts)), maxlen=0)
            return
        for part in parts:
            task.copy_from(self.source.reader.file, part)

    def _keep(self, piece: Piece, small: StatsArrays, stats: StatsTable) -> None:
        """Store the statistics of the small tensors that changed."""
        kept = [k for k, action in enumerate(actions_on(self.actions, piece.index, piece.count)) if action is not None]
        stats.put([piece.index + k for k in kept], small.take(kept))

    def sources(self) -> Sequence[TensorSpec]:
        """Return the specs to split by: a tensor that is encoded on either side, or changes its order, stays in one piece."""
        specs = self.source.reader.tensors
        if self.writer is None:
            return specs
        targets = self.writer.tensors
        if isinstance(specs, SpecTable) and isinstance(targets, SpecTable):
            return specs  # none of them is encoded, or in column-major order
        return [laid_for(spec, target) for spec, target in zip(specs, targets, strict=True)]

    def targets(self) -> Sequence[TensorSpec]:
        """Return the tensors as they are written, or would be."""
        return self.writer.tensors if self.writer is not None else self.stored or self.source.reader.tensors


class RewriteTask(NamedTuple):
    """Reads, changes, writes and measures pieces; it can be sent if its writer can, and counts bytes for the sender's progress then."""

    source: PortableReader
    specs: Sequence[TensorSpec]  # the tensors as they are read
    targets: Sequence[TensorSpec]  # as they are written, or would be
    writer: Writer | OffsetWriter | None
    actions: Mapping[int, Action]
    types: NormTypes
    work: Workspace
    progress: Progress = silent

    def expect(self, items: Sequence[Piece]) -> None:
        """Tell a remote file which pieces are read next."""
        self.source.expect(self.specs, items)

    def rewrite(self, piece: Piece) -> tuple[Piece, StatsArrays | None, list[PieceStats], dict[int, int]]:
        """Return the piece, the statistics of its small tensors or of its changed parts, and the clipped elements by index."""
        if piece.count > 1:
            small, clipped = self._small(piece)
            return piece, small, [], {piece.index + k: number for k, number in enumerate(clipped) if number}
        read, spec, target = self.source.read, self.specs[piece.index], self.targets[piece.index]
        if spec.fortran and not target.fortran:
            with RowMajorReader(read, spec, self.work, self.source.path) as turned:
                parts = pieces_in_order(piece, row_major.TURNED_BYTES)
                found = [self._piece(part, target, turned.read) for part in parts]
        else:
            with room(spec.held):
                found = [self._piece(part, target, read) for part in pieces_in_order(piece)]
        changed = [one for one in found if one is not None]
        number = sum(clipped for _, clipped in changed)
        return piece, None, [stats for stats, _ in changed], {piece.index: number} if number else {}

    def _piece(self, piece: Piece, target: TensorSpec, read: Read) -> tuple[PieceStats, int] | None:
        """Read, change, write and measure one piece; return None if its tensor does not change."""
        spec, action = self.specs[piece.index], self.actions.get(piece.index)
        raw = fetch(read, piece, self.specs, self.work)
        size, read_bytes = piece.stop - piece.start, raw.size
        own = action.at(piece.start) if action is not None else None
        raw, clipped = change_as(raw, spec.dtype, target.dtype, [size], [own], self.work)
        if self.writer is not None:
            self.writer.write(target, piece.start, raw)
        self._report(read_bytes, raw.size)
        return (measure_piece(raw, target.dtype, self.types, self.work), clipped[0]) if action is not None else None

    def _small(self, piece: Piece) -> tuple[StatsArrays, list[int]]:
        """Read, change, write and measure small adjacent tensors; return how many elements of each were clipped, too."""
        targets, dtype = self.targets[piece.index : piece.index + piece.count], self.specs[piece.index].dtype
        raw = fetch(self.source.read, piece, self.specs, self.work)
        actions = actions_on(self.actions, piece.index, piece.count)
        found, first, begin = list[tuple[StatsArrays, list[int]]](), 0, 0
        for to, run in groupby(dtypes_of(targets)):
            last = first + sum(1 for _ in run)
            alike = targets[first:last]
            end = begin + sum(sizes_of(alike)) * dtype.itemsize
            found.append(self._alike(raw[begin:end], dtype, to, alike, actions[first:last]))
            first, begin = last, end
        return StatsArrays.concatenate([stats for stats, _ in found]), [n for _, clipped in found for n in clipped]

    def _alike(
        self, raw: Raw, dtype: DType, to: DType, targets: Sequence[TensorSpec], actions: Sequence[Action | None]
    ) -> tuple[StatsArrays, list[int]]:
        """Change, write and measure small adjacent tensors that are of one dtype in the output, too."""
        sizes, read_bytes = sizes_of(targets), raw.size
        raw, clipped = change_as(raw, dtype, to, sizes, actions, self.work)
        self._write(targets, list(accumulate(sizes, initial=0)), raw)
        self._report(read_bytes, raw.size)
        return measure_small(raw, to, sizes, self.types, self.work), clipped

    def _report(self, read: int, written: int) -> None:
        """Report the bytes read of each file; several files are read as one of float64, and written as they are stored."""
        paths = self.source.paths
        for path in paths:
            self.progress(read if len(paths) == 1 else written, path)

    def _write(self, targets: Sequence[TensorSpec], ends: Sequence[int], raw: Raw) -> None:
        """Write small tensors, all at once if they are adjacent in the output as well."""
        if self.writer is None:
            return
        itemsize = targets[0].dtype.itemsize
        if adjoining(targets):
            self.writer.write(targets[0], 0, raw)
            return
        for spec, start, stop in zip(targets, ends, ends[1:], strict=False):
            self.writer.write(spec, 0, raw[start * itemsize : stop * itemsize])

    def __reduce__(self) -> tuple[type["RewriteTask"], tuple[object, ...]]:
        return RewriteTask, (*self[:-1], portable(self.progress))


def change_as(
    raw: Raw, dtype: DType, to: DType, sizes: Sequence[int], actions: Sequence[Action | None], work: Workspace
) -> tuple[Raw, list[int]]:
    """Change adjacent tensors, and return them as the output stores them: rounded to its dtype once, or in its byte order.

    Also return how many elements of each were clipped one by one. `raw` is overwritten.
    """
    if dtype.name == to.name:
        clipped = change(raw, dtype, sizes, actions, work)
        if dtype.swapped != to.swapped:
            byteswap(raw, dtype)
        return raw, clipped
    clipped = [0] * len(sizes)
    if any(action not in (None, UNCHANGED) for action in actions):
        raw, dtype = widened(raw, dtype, work), wide_type(dtype)
        clipped = change(raw, dtype, sizes, actions, work)
    return converted(raw, dtype, to, work), clipped


def change(
    raw: Raw, dtype: DType, sizes: Sequence[int], actions: Sequence[Action | None], work: Workspace
) -> list[int]:
    """Change adjacent tensors of `sizes` elements in place; return how many elements of each were clipped one by one."""
    ends = list(accumulate((size * dtype.itemsize for size in sizes), initial=0))
    clipped = [0] * len(sizes)
    for scaled, run in groupby(range(len(sizes)), each_by_identity(actions, _only_scales).__getitem__):
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
    factors = each_by_identity(actions, lambda action: action.factor if isinstance(action, Scale) else 1.0)
    if len(set(factors)) == 1:
        scale(raw, dtype, factors[0], factors[0], 1.0, work)
    else:
        scale_each(raw, dtype, factors, sizes, work)
