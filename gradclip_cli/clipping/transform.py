"""The second reading of a dump: every piece is read, changed, written and measured again."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import NamedTuple

from gradclip_cli.arithmetic.dtypes import Raw
from gradclip_cli.arithmetic.kernels import byteswap
from gradclip_cli.clipping.neighbours import change
from gradclip_cli.files.positions import copy_at
from gradclip_cli.formats.base import Copy, Reader, Writer, besides
from gradclip_cli.inputs.dumps import Progress
from gradclip_cli.layout import TURNED_BYTES, Turned
from gradclip_cli.measure import NormTypes, Piece, Read, Stats, fetch, join, measure_piece, measure_small
from gradclip_cli.strategies.actions import Action
from gradclip_cli.tensors import Slab, TensorSpec, cut, in_order
from gradclip_cli.workers import Workers

_COPIED = 64 << 20


class After(NamedTuple):
    """A tensor as it was written: its statistics, and how many elements were clipped one by one."""

    stats: Stats
    clipped: int


@dataclass(frozen=True, slots=True)
class Transform:
    """One dump on its way from a reader to a writer; without a writer everything is done but the writing."""

    reader: Reader
    writer: Writer | None
    fd: int
    output: str
    actions: Mapping[int, Action]  # of the tensors that change
    types: NormTypes
    workers: Workers
    progress: Progress
    written: Sequence[tuple[int, int]] = ()  # bytes of the output that stand there already

    def run(self) -> dict[int, After]:
        """Write every tensor that has to be written; return what became of those that changed."""
        if self.writer is not None:
            # By one thread: the kernel lets only one write to a file at a time.
            for part in _pieces(besides(self.writer.copies, self.written)):
                self._copy(part)
        pending = sorted(self.writer.pending if self.writer is not None else self.actions)
        after: dict[int, After] = {}
        pieces: dict[int, list[tuple[Piece, int]]] = {}
        for slab, whole, parts in self.workers.map(self._slab, cut(self._sources(), pending)):
            after.update(whole)
            if parts:
                pieces.setdefault(slab.index, []).extend(parts)
        for index, found in pieces.items():
            after[index] = After(join([piece for piece, _ in found], self.types), sum(clipped for _, clipped in found))
        return after

    def _sources(self) -> list[TensorSpec]:
        """The tensors as they are to be cut: what is packed on either side stays in one piece, and is done in order."""
        specs = self.reader.tensors
        if self.writer is None:
            return list(specs)
        targets = self.writer.tensors
        return [
            spec if target.offset is not None and spec.fortran == target.fortran else replace(spec, offset=None)
            for spec, target in zip(specs, targets, strict=True)
        ]

    def _copy(self, piece: Copy) -> None:
        copy_at(self.reader.file, piece.source, self.fd, piece.target, piece.count, self.output)
        self.progress(piece.count, self.reader.file.path)

    def _slab(self, slab: Slab) -> tuple[Slab, dict[int, After], list[tuple[Piece, int]]]:
        """Work on a slab; return what became of small tensors that changed, or of the pieces of one that changed."""
        if slab.count > 1:
            return slab, self._small(slab), []
        spec, target = self.reader.tensors[slab.index], self._targets(slab)[0]
        if spec.fortran and not target.fortran:
            with Turned(self.reader.read, spec) as turned:
                found = [self._piece(piece, target, turned.read) for piece in in_order(slab, spec, TURNED_BYTES)]
        else:
            found = [self._piece(piece, target, self.reader.read) for piece in in_order(slab, spec)]
        return slab, {}, [one for one in found if one is not None]

    def _targets(self, slab: Slab) -> Sequence[TensorSpec]:
        specs = self.reader.tensors if self.writer is None else self.writer.tensors
        return specs[slab.index : slab.index + slab.count]

    def _piece(self, slab: Slab, target: TensorSpec, read: Read) -> tuple[Piece, int] | None:
        """Read, change, write and measure one piece; None for one that has not changed."""
        spec, action = self.reader.tensors[slab.index], self.actions.get(slab.index)
        raw = fetch(read, slab, self.reader.tensors)
        clipped = action.apply(raw, spec.dtype) if action is not None else 0
        if spec.dtype.swapped != target.dtype.swapped:
            byteswap(raw, spec.dtype)
        if self.writer is not None:
            self.writer.write(target, slab.start, raw)
        self.progress(raw.size, self.reader.file.path)
        return (measure_piece(raw, target.dtype, self.types), clipped) if action is not None else None

    def _small(self, slab: Slab) -> dict[int, After]:
        """Read, change, write and measure small tensors that lie side by side."""
        targets = self._targets(slab)
        dtype = self.reader.tensors[slab.index].dtype
        ends = list(accumulate((spec.size for spec in targets), initial=0))
        raw = fetch(self.reader.read, slab, self.reader.tensors)
        actions = [self.actions.get(slab.index + k) for k in range(slab.count)]
        clipped = change(raw, dtype, [spec.size for spec in targets], actions)
        if dtype.swapped != targets[0].dtype.swapped:
            byteswap(raw, dtype)
        self._write(targets, ends, raw)
        self.progress(raw.size, self.reader.file.path)
        stats = measure_small(raw, targets[0].dtype, [spec.size for spec in targets], self.types)
        every = enumerate(zip(stats, clipped, strict=True), slab.index)
        return {index: After(*one) for index, one in every if index in self.actions}

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


def _pieces(copies: Iterable[Copy]) -> Iterator[Copy]:
    """Cut what is copied into parts that several threads can copy."""
    for copy in copies:
        for start in range(0, copy.count, _COPIED):
            yield Copy(copy.source + start, copy.target + start, min(_COPIED, copy.count - start))
