"""The second reading of a dump: every piece is read, changed, written and measured again."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from gradclip_cli.dumps import Progress
from gradclip_cli.files import copy_at
from gradclip_cli.formats.base import Copy, Reader, Writer, besides
from gradclip_cli.kernels import byteswap
from gradclip_cli.layout import TURNED_BYTES, Turned
from gradclip_cli.measure import NormTypes, Piece, Read, Stats, fetch, join, measure_piece
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
        pieces: dict[int, list[Piece]] = {}
        clipped: dict[int, int] = {}
        for found in self.workers.map(self._slab, cut(self._sources(), pending)):
            for index, piece, count in found:
                pieces.setdefault(index, []).append(piece)
                clipped[index] = clipped.get(index, 0) + count
        return {index: After(join(parts, self.types), clipped[index]) for index, parts in pieces.items()}

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
        self.progress(piece.count)

    def _slab(self, slab: Slab) -> list[tuple[int, Piece, int]]:
        specs = self.reader.tensors
        found = []
        for index in range(slab.index, slab.index + slab.count):
            spec, target = specs[index], self.writer.tensors[index] if self.writer is not None else specs[index]
            part = slab if slab.count == 1 else Slab(index, 1, 0, spec.size)
            if spec.fortran and not target.fortran:
                with Turned(self.reader.read, spec) as turned:
                    found += [self._piece(piece, target, turned.read) for piece in in_order(part, spec, TURNED_BYTES)]
            else:
                found += [self._piece(piece, target, self.reader.read) for piece in in_order(part, spec)]
        return [(index, piece, clipped) for index, piece, clipped in found if piece is not None]

    def _piece(self, slab: Slab, target: TensorSpec, read: Read) -> tuple[int, Piece | None, int]:
        """Read, change, write and measure one piece."""
        spec, action = self.reader.tensors[slab.index], self.actions.get(slab.index)
        raw = fetch(read, slab, self.reader.tensors)
        clipped = action.apply(raw, spec.dtype) if action is not None else 0
        if spec.dtype.swapped != target.dtype.swapped:
            byteswap(raw, spec.dtype)
        if self.writer is not None:
            self.writer.write(target, slab.start, raw)
        self.progress(raw.size)
        return slab.index, measure_piece(raw, target.dtype, self.types) if action is not None else None, clipped


def _pieces(copies: Iterable[Copy]) -> Iterator[Copy]:
    """Cut what is copied into parts that several threads can copy."""
    for copy in copies:
        for start in range(0, copy.count, _COPIED):
            yield Copy(copy.source + start, copy.target + start, min(_COPIED, copy.count - start))
