"""Keep of a measured dump only its norms, and the L2 norms that trials need."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.commands.stats.plan import StatsPlan
from gradclip_cli.numerics.norms import ClippedSum, SumKinds
from gradclip_cli.numerics.statistics import TensorStats
from gradclip_cli.numerics.statistics_table import StatsTable
from gradclip_cli.strategies import Group
from gradclip_cli.thresholds.norm_table import Counts, Step

Row = NDArray[np.float64]


class KeptRow(NamedTuple):
    """Where the numbers of a row are among those of its kind."""

    kind: str
    start: int
    stop: int


class KeptRows:
    """The rows of a series: those of one kind one after the other, in memory that grows without being copied."""

    def __init__(self) -> None:
        self._kinds: dict[str, bytearray] = {}

    def keep(self, kind: str, row: Row) -> KeptRow:
        """Keep a row of numbers."""
        values = self._kinds.setdefault(kind, bytearray())
        start = len(values) // row.itemsize
        values += row.tobytes()
        return KeptRow(kind, start, start + row.size)

    def of(self, row: KeptRow) -> Row:
        """Return the numbers of a row."""
        return self._every(row.kind)[row.start : row.stop]

    def matrix(self, rows: Sequence[KeptRow], width: int) -> Row:
        """Return rows of the same width as a matrix: what is kept itself, if they stand one after the other there."""
        kind, start, _ = rows[0]
        if all(row[:2] == (kind, start + k * width) for k, row in enumerate(rows)):
            return self._every(kind)[start : start + len(rows) * width].reshape(len(rows), width)
        return np.array([self.of(row) for row in rows])

    def _every(self, kind: str) -> Row:
        return np.frombuffer(self._kinds[kind], np.float64) if self._kinds[kind] else np.empty(0)


class DumpL2(NamedTuple):
    """L2 norms of one dump, NaN or infinite where elements are; `clipped` maps limits to norms and cosines of clipped tensors."""

    total: float
    layers: KeptRow
    params: KeptRow
    clipped: Mapping[float, tuple[KeptRow, KeptRow]]


class DumpNorms(NamedTuple):
    """The norms of one dump: one for the dump, and one for each layer and tensor."""

    step: Step
    total: float
    layers: KeptRow
    params: KeptRow
    max_abs: KeptRow  # of each tensor
    l2: DumpL2 | None = None  # only where there are trials
    counts: Counts | None = None  # only of the first dump


def sums_for(plan: StatsPlan) -> SumKinds:
    """Return the sums over elements that a plan needs: for its norm, then for the L2 norms and clipping of its trials."""
    if not plan.tries:
        return (plan.norm.type, 2.0) if plan.weights and plan.norm.type != 2.0 else (plan.norm.type,)
    second = () if plan.norm.type == 2.0 else (2.0,)
    single = (one.threshold for one in plan.tries if one.strategy.group is Group.ELEMENT)
    limits = dict.fromkeys(limit for limit in single if isinstance(limit, float))
    return (plan.norm.type, *second, *(ClippedSum(limit, squared) for limit in limits for squared in (False, True)))


class Reduced(NamedTuple):
    """The statistics of a dump, of all of it, of its layers and of its tensors; `layers` is `params` if each is one tensor."""

    total: TensorStats
    layers: StatsTable
    params: StatsTable


def dump_norms(step: Step, stats: Reduced, plan: StatsPlan, kept: KeptRows) -> DumpNorms:
    """Reduce the statistics of a dump to norms, which are added to those that are kept."""
    total, params, types = stats.total, stats.params, sums_for(plan)
    return DumpNorms(
        step._replace(nonfinite=total.nonfinite),
        total.as_read(total.norm(0, plan.norm.type)),
        *_kept_norms(stats, 0, plan.norm.type, kept),
        kept.keep("largest", params.as_read(params.max_abs)),
        _l2(stats, types, kept) if plan.tries else None,
    )


def _kept_norms(stats: Reduced, which: int, p: float, kept: KeptRows) -> tuple[KeptRow, KeptRow]:
    """Keep the norms of layers and of tensors, only once if they are the same."""
    params = kept.keep(f"tensors {which}", stats.params.as_read(stats.params.norms(which, p)))
    if stats.layers is stats.params:
        return params, params
    return kept.keep(f"layers {which}", stats.layers.as_read(stats.layers.norms(which, p))), params


def _l2(stats: Reduced, sums: SumKinds, kept: KeptRows) -> DumpL2:
    """Return the L2 norms of a dump, and those of its tensors clipped at each limit among `sums`."""
    limits = [kind.limit for kind in sums if isinstance(kind, ClippedSum) and kind.squared]
    which = sums.index(2.0)
    whole = stats.total.as_read(stats.total.norm(which, 2.0))
    clipped = {limit: _clipped(stats.params, sums, limit, kept) for limit in limits}
    return DumpL2(whole, *_kept_norms(stats, which, 2.0, kept), clipped)


def _clipped(params: StatsTable, sums: SumKinds, limit: float, kept: KeptRows) -> tuple[KeptRow, KeptRow]:
    from gradclip_cli.numerics.products import L2Norm, cosine

    whole, dot, square = (sums.index(kind) for kind in (2.0, ClippedSum(limit, False), ClippedSum(limit, True)))
    rows = [param.sums for param in params.values()]
    cosines = [cosine(L2Norm(one[whole]), L2Norm(one[square]), one[dot]) for one in rows]
    after = params.as_read(params.norms(square, 2.0))
    as_row = np.array([1.0 if one is None else one for one in cosines])
    return kept.keep(f"clipped {limit}", after), kept.keep(f"cosines {limit}", as_row)
