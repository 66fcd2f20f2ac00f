"""Keep of a measured dump only its norms, and the L2 norms that trials need."""

from collections.abc import Mapping
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


class DumpL2(NamedTuple):
    """L2 norms of one dump, NaN or infinite where elements are; `clipped` maps limits to norms and cosines of clipped tensors."""

    total: float
    layers: Row
    params: Row
    clipped: Mapping[float, tuple[Row, Row]]


class DumpNorms(NamedTuple):
    """The norms of one dump: one for the dump, and one for each layer and tensor."""

    step: Step
    total: float
    layers: Row
    params: Row
    max_abs: Row  # of each tensor
    l2: DumpL2 | None = None  # only where there are trials
    counts: Counts | None = None  # only of the first dump


def sums_for(plan: StatsPlan) -> SumKinds:
    """Return the sums over elements that a plan needs: for its norm, then for the L2 norms and clipping of its trials."""
    if not plan.tries:
        return (plan.norm.type,)
    second = () if plan.norm.type == 2.0 else (2.0,)
    single = (one.threshold for one in plan.tries if one.strategy.group is Group.ELEMENT)
    limits = dict.fromkeys(limit for limit in single if isinstance(limit, float))
    return (plan.norm.type, *second, *(ClippedSum(limit, squared) for limit in limits for squared in (False, True)))


def dump_norms(step: Step, total: TensorStats, layers: StatsTable, params: StatsTable, plan: StatsPlan) -> DumpNorms:
    """Reduce the statistics of a dump, of all of it, of its layers and of its tensors, to norms."""
    types, p = sums_for(plan), plan.norm.type
    by_layer, by_param = (stats.as_read(stats.norms(0, p)) for stats in (layers, params))
    return DumpNorms(
        step._replace(nonfinite=total.nonfinite),
        total.as_read(total.norm(0, p)),
        by_layer,
        by_param,
        params.as_read(params.max_abs),
        _l2(total, layers, params, types) if plan.tries else None,
    )


def _l2(total: TensorStats, layers: StatsTable, params: StatsTable, sums: SumKinds) -> DumpL2:
    """Return the L2 norms of a dump, and those of its tensors clipped at each limit among `sums`."""
    limits = [kind.limit for kind in sums if isinstance(kind, ClippedSum) and kind.squared]
    which = sums.index(2.0)
    by_layer, by_param = (columns.as_read(columns.norms(which, 2.0)) for columns in (layers, params))
    whole = total.as_read(total.norm(which, 2.0))
    return DumpL2(whole, by_layer, by_param, {limit: _clipped(params, sums, limit) for limit in limits})


def _clipped(params: StatsTable, sums: SumKinds, limit: float) -> tuple[Row, Row]:
    from gradclip_cli.numerics.products import L2Norm, cosine

    whole, dot, square = (sums.index(kind) for kind in (2.0, ClippedSum(limit, False), ClippedSum(limit, True)))
    rows = [param.sums for param in params.values()]
    cosines = [cosine(L2Norm(one[whole]), L2Norm(one[square]), one[dot]) for one in rows]
    after = params.as_read(params.norms(square, 2.0))
    return after, np.array([1.0 if one is None else one for one in cosines])
