"""Statistics of tensors: taken piece by piece, in one reading."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from gradclip_cli.engine.executors import Executor, room
from gradclip_cli.engine.run import Progress, silent
from gradclip_cli.formats.portable import PortableReader
from gradclip_cli.numerics.dtypes import Raw
from gradclip_cli.numerics.measuring import measure_piece, measure_small
from gradclip_cli.numerics.norms import SumKinds
from gradclip_cli.numerics.statistics import PieceStats, merge
from gradclip_cli.numerics.statistics_table import StatsArrays, StatsTable
from gradclip_cli.numerics.workspace import Workspace
from gradclip_cli.tensors import Slab, TensorSpec, pieces_in_order, split

NormTypes = tuple[float, ...]
Read = Callable[[TensorSpec, int, Raw], None]

PieceObserver = Callable[[Slab, Raw, PieceStats | None], None]
"""What is told of every slab once it is read: its stored elements, and what was found in a piece; None for small tensors."""


class FileRead(NamedTuple):
    """Reads elements of a file and tells of their bytes; of what another process reads, nobody is told."""

    file: PortableReader
    progress: Progress = silent

    def read(self, spec: TensorSpec, start: int, out: Raw) -> None:
        """Fill `out` with stored elements from `start` on."""
        self.file.reader.read(spec, start, out)
        self.progress(out.size, self.file.path)

    def __reduce__(self) -> tuple[type["FileRead"], tuple[PortableReader]]:
        return FileRead, (self.file,)


class MeasureTask(NamedTuple):
    """Measures slabs of a file; where it is pickled, its observer stays behind."""

    specs: Sequence[TensorSpec]
    read: Read
    sums: SumKinds
    work: Workspace
    observe: PieceObserver | None = None

    def measure(self, slab: Slab) -> tuple[Slab, list[PieceStats], StatsArrays | None]:
        """Return what is found in the pieces of one tensor, or in small ones."""
        spec = self.specs[slab.index]
        if slab.count > 1:
            sizes = [spec.size for spec in self.specs[slab.index : slab.index + slab.count]]
            raw = fetch(self.read, slab, self.specs, self.work)
            if self.observe is not None:
                self.observe(slab, raw, None)
            return slab, [], measure_small(raw, spec.dtype, sizes, self.sums, self.work)
        with room(spec.held):
            return slab, [self._piece(part) for part in pieces_in_order(slab, spec)], None

    def _piece(self, slab: Slab) -> PieceStats:
        raw = fetch(self.read, slab, self.specs, self.work)
        found = measure_piece(raw, self.specs[slab.index].dtype, self.sums, self.work)
        if self.observe is not None:
            self.observe(slab, raw, found)
        return found

    def __reduce__(self) -> tuple[type["MeasureTask"], tuple[object, ...]]:
        return MeasureTask, (self.specs, self.read, self.sums, self.work)


def measure(
    specs: Sequence[TensorSpec],
    wanted: Sequence[int],
    read: Read,
    types: SumKinds,
    workers: Executor,
    observe: PieceObserver | None = None,
) -> StatsTable:
    """Measure the tensors `wanted` (indices into `specs`, ascending); `read` fills raw bytes from an element on."""
    found = StatsTable(wanted, StatsArrays.empty(len(wanted), len(types)))
    pieces: dict[int, list[PieceStats]] = {}
    task = MeasureTask(specs, read, types, workers.work, observe)
    for slab, parts, small in workers.map(task.measure, split(specs, wanted)):
        if small is not None:
            found.put(range(slab.index, slab.index + slab.count), small)
        else:
            pieces.setdefault(slab.index, []).extend(parts)
    found.put(list(pieces), StatsArrays.of([merge(parts, types) for parts in pieces.values()], len(types)))
    return found


def fetch(read: Read, slab: Slab, specs: Sequence[TensorSpec], work: Workspace) -> Raw:
    """Read a slab into `work.raw`."""
    first = specs[slab.index]
    raw = work.raw.take((slab.stop - slab.start) * first.dtype.itemsize, np.uint8)
    read(first, slab.start, raw)
    return raw
