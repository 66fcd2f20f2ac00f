"""Statistics of tensors: taken piece by piece, in one reading."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from gradclip_cli.engine.executors import Executor, room
from gradclip_cli.numerics.dtypes import Raw
from gradclip_cli.numerics.measuring import measure_piece, measure_small
from gradclip_cli.numerics.norms import SumKinds
from gradclip_cli.numerics.statistics import PieceStats, merge
from gradclip_cli.numerics.statistics_table import StatsArrays, StatsTable
from gradclip_cli.numerics.workspace import Workspace
from gradclip_cli.tensors import Slab, TensorSpec, cut, in_order

NormTypes = tuple[float, ...]
Read = Callable[[TensorSpec, int, Raw], None]

PieceObserver = Callable[[Slab, Raw, PieceStats | None], None]
"""What is told of every slab once it is read: its stored elements, and what was found in a piece; None for small tensors."""


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
    task = partial(_measure_slab, specs=specs, read=read, types=types, observe=observe, work=workers.work)
    for slab, parts, small in workers.map(task, cut(specs, wanted)):
        if small is not None:
            found.put(range(slab.index, slab.index + slab.count), small)
        else:
            pieces.setdefault(slab.index, []).extend(parts)
    found.put(list(pieces), StatsArrays.of([merge(parts, types) for parts in pieces.values()], len(types)))
    return found


def _measure_slab(
    slab: Slab, specs: Sequence[TensorSpec], read: Read, types: SumKinds, observe: PieceObserver | None, work: Workspace
) -> tuple[Slab, list[PieceStats], StatsArrays | None]:
    """Measure a slab; return what was found in the pieces of one tensor, or in small ones."""
    dtype = specs[slab.index].dtype
    if slab.count > 1:
        sizes = [spec.size for spec in specs[slab.index : slab.index + slab.count]]
        raw = fetch(read, slab, specs, work)
        if observe is not None:
            observe(slab, raw, None)
        return slab, [], measure_small(raw, dtype, sizes, types, work)
    found = []
    with room(specs[slab.index].held):
        for part in in_order(slab, specs[slab.index]):
            raw = fetch(read, part, specs, work)
            found.append(measure_piece(raw, dtype, types, work))
            if observe is not None:
                observe(part, raw, found[-1])
    return slab, found, None


def fetch(read: Read, slab: Slab, specs: Sequence[TensorSpec], work: Workspace) -> Raw:
    """Read a slab into `work.raw`."""
    first = specs[slab.index]
    raw = work.raw.take((slab.stop - slab.start) * first.dtype.itemsize, np.uint8)
    read(first, slab.start, raw)
    return raw
