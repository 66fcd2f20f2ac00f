"""What is kept of a dump once it has been measured."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.numerics import norms
from gradclip_cli.numerics.norms import ClippedSum, SumKinds
from gradclip_cli.numerics.statistics import TensorStats
from gradclip_cli.numerics.statistics_table import StatsTable
from gradclip_cli.plan.stats import StatsPlan
from gradclip_cli.reports import StatsDump
from gradclip_cli.strategies import Group

Row = NDArray[np.float64]


class Cut(NamedTuple):
    """What is left of each tensor that is clipped element by element: its L2 norm, and its cosine with what it was."""

    lengths: Row
    cosines: Row


class Lengths(NamedTuple):
    """L2 norms of one dump, and of its layers and tensors; NaN or infinite where elements are."""

    dump: float
    layers: Row
    params: Row
    cuts: Mapping[float, Cut]  # by the threshold


class Sample(NamedTuple):
    """The norms of one dump, one number for each layer and tensor; this is all that is kept of it."""

    dump: StatsDump
    layers: Row
    params: Row
    peaks: Row  # the largest |g| of each tensor
    lengths: Lengths | None = None  # where something is to be tried


def sums(plan: StatsPlan) -> SumKinds:
    """What has to be summed over the elements: the norm, and where something is to be tried, what that needs beside it."""
    if not plan.tries:
        return (plan.norm.type,)
    second = () if plan.norm.type == 2.0 else (2.0,)
    single = (one.threshold for one in plan.tries if one.strategy.group is Group.ELEMENT)
    limits = dict.fromkeys(limit for limit in single if isinstance(limit, float))
    return (plan.norm.type, *second, *(ClippedSum(limit, squared) for limit in limits for squared in (False, True)))


def lengths(total: TensorStats, layers: StatsTable, params: StatsTable, sums: SumKinds) -> Lengths:
    """Keep the L2 norms, and what each limit among `sums` leaves of the tensors."""
    limits = [kind.limit for kind in sums if isinstance(kind, ClippedSum) and kind.squared]
    which = sums.index(2.0)
    by_layer, by_param = (columns.as_read(columns.norms(which, 2.0)) for columns in (layers, params))
    whole = total.as_read(norms.norm(total.powers[which], 2.0))
    return Lengths(whole, by_layer, by_param, {limit: _cut(params, sums, limit) for limit in limits})


def _cut(params: StatsTable, sums: SumKinds, limit: float) -> Cut:
    from gradclip_cli.numerics.products import L2Norm, cosine

    whole, dot, square = (sums.index(kind) for kind in (2.0, ClippedSum(limit, False), ClippedSum(limit, True)))
    powers = [param.powers for param in params.values()]
    cosines = [cosine(L2Norm(one[whole]), L2Norm(one[square]), one[dot]) for one in powers]
    after = params.as_read(params.norms(square, 2.0))
    return Cut(after, np.array([1.0 if one is None else one for one in cosines]))
