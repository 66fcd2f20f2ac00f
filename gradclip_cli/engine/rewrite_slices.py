"""Rewrite a file whose slices along axis 0 are dumps: every slice is changed as its own dump was decided."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

from gradclip_cli.engine.executors.base import room
from gradclip_cli.engine.executors.progress import Progress, portable
from gradclip_cli.engine.executors.receipts import map_with_receipts
from gradclip_cli.engine.measure import NormTypes, ahead, fetch, sendable_bytes
from gradclip_cli.engine.rewrite import Rewriter, Rewritten, change_as
from gradclip_cli.engine.slices import SliceStats, SliceTable
from gradclip_cli.formats.base import Writer
from gradclip_cli.formats.by_offset import OffsetWriter
from gradclip_cli.formats.portable import PortableReader
from gradclip_cli.numerics.measuring import measure_piece, measure_rows
from gradclip_cli.numerics.norms import BLOCK
from gradclip_cli.numerics.workspace import Workspace
from gradclip_cli.strategies.actions import Action
from gradclip_cli.tensors import Piece, TensorSpec, slices_in_order, split_slices

SliceActions = Mapping[int, Sequence[Action | None]]
"""What is done to each slice of the tensors that change, by the index of the tensor; None leaves a slice as it is."""


class WrittenSlices(NamedTuple):
    """The statistics of slices of one tensor as they were written, and how many elements of each were clipped one by one."""

    stats: SliceStats
    clipped: Sequence[int]


class SliceRewriter(NamedTuple):
    """Rewrites one file of a dump of `length` slices; `file` says from where to where, and changes nothing itself."""

    file: Rewriter
    actions: SliceActions
    length: int

    def run(self) -> list[Rewritten]:
        """Copy unchanged bytes and write all other tensors; return the results of each slice."""
        file, changed = self.file, sorted(self.actions)
        file.copy()
        if file.writer is not None:
            file.rewrite(index for index in file.writer.pending if index not in self.actions)
        work, targets = file.workers.work, file.targets()
        specs = file.source.reader.tensors
        task = SliceRewriteTask(file.source, specs, targets, file.writer, self.actions, file.types, work, file.progress)
        after, clipped = SliceTable.empty(self.length, changed, len(file.types)), dict[int, dict[int, int]]()
        sources = file.sources()
        nbytes = sendable_bytes(sources, changed, file.workers)
        every = ahead((file.source,), sources, split_slices(sources, changed), here=not file.workers.far)
        parts = chain.from_iterable(
            map_with_receipts(file.workers, task.rewrite, every, nbytes, (file.source, file.writer))
        )
        after.put(_counted(parts, clipped), file.types)
        return [self._of(row, after, clipped.get(row, {})) for row in range(self.length)]

    def _of(self, row: int, after: SliceTable, clipped: dict[int, int]) -> Rewritten:
        """Return the results of one slice, without the tensors that did not change there."""
        changed = [index for index in after.indices if self.actions[index][row] is not None]
        return Rewritten(after.of(row).only(changed), clipped)


def _counted(parts: Iterable[WrittenSlices], clipped: dict[int, dict[int, int]]) -> Iterator[SliceStats]:
    """Yield the statistics of parts, and add the clipped elements of each slice to `clipped`, by slice and tensor."""
    for part in parts:
        for row, number in enumerate(part.clipped, part.stats.first):
            if number:
                own = clipped.setdefault(row, {})
                own[part.stats.tensor] = own.get(part.stats.tensor, 0) + number
        yield part.stats


class SliceRewriteTask(NamedTuple):
    """Reads, changes, writes and measures pieces of changed tensors, slice by slice; it can be sent as `RewriteTask` can."""

    source: PortableReader
    specs: Sequence[TensorSpec]  # the tensors as they are read
    targets: Sequence[TensorSpec]  # as they are written, or would be
    writer: Writer | OffsetWriter | None
    actions: SliceActions
    types: NormTypes
    work: Workspace
    progress: Progress

    def expect(self, items: Sequence[Piece]) -> None:
        """Tell a remote file which pieces are read next."""
        self.source.expect(self.specs, items)

    def rewrite(self, piece: Piece) -> list[WrittenSlices]:
        """Return the results of the slices in a piece; a piece of an encoded tensor is all of it."""
        spec, target = self.specs[piece.index], self.targets[piece.index]
        with room(spec.held):
            whole = piece.stop - piece.start == spec.size
            parts = slices_in_order(piece, spec) if whole else (piece,)
            return [self._part(part, spec, target) for part in parts]

    def _part(self, piece: Piece, spec: TensorSpec, target: TensorSpec) -> WrittenSlices:
        """Read, change, write and measure several small slices, or a piece of a large one."""
        raw = fetch(self.source.read, piece, self.specs, self.work)
        size, small = spec.slice_size, spec.slice_size <= BLOCK
        first = piece.start // size
        count = (piece.stop - piece.start) // size if small else 1
        each = [size] * count if small else [piece.stop - piece.start]
        read, actions = raw.size, self.actions[piece.index][first : first + count]
        raw, clipped = change_as(raw, spec.dtype, target.dtype, each, actions, self.work)
        if self.writer is not None:
            self.writer.write(target, piece.start, raw)
        self.progress(read, self.source.path)
        if small:
            rows = measure_rows(raw, target.dtype, count, size, self.types, self.work)
            return WrittenSlices(SliceStats(piece.index, first, rows), clipped)
        part = measure_piece(raw, target.dtype, self.types, self.work)
        return WrittenSlices(SliceStats(piece.index, first, None, part), clipped)

    def __reduce__(self) -> tuple[type["SliceRewriteTask"], tuple[object, ...]]:
        return SliceRewriteTask, (*self[:-1], portable(self.progress))
