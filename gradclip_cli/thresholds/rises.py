"""Find what rose first before a step that explodes or is not finite: blocks, layers or tensors, each by its own usual norm."""

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from gradclip_cli.thresholds.explosions import beyond_noise, explosions
from gradclip_cli.thresholds.levels import medians
from gradclip_cli.thresholds.norm_table import NormTable
from gradclip_cli.thresholds.samples import Matrix

HIGH = 3.0
"""A group stands high at a step if its norm is above so many times the median of its neighbours, and beyond its noise."""

AHEAD = 2.0
"""Where more than half of the groups stand high, those ahead are at least so many times as high as all others."""

_ENOUGH = 5


class Rise(NamedTuple):
    """What rose first: the columns of the groups, the highest first, that stand high at step `row`, at so many `times` their own norm.

    `times` is infinite for a group that is not finite. There are no columns where all rise together.
    """

    row: int
    columns: tuple[int, ...]
    times: tuple[float, ...]

    @property
    def together(self) -> bool:
        """Whether no group is ahead of the others."""
        return not self.columns


class Height(NamedTuple):
    """How high a group rises: its largest finite norm, at step `row`, and its median; `times` is None where the median is 0."""

    column: int
    median: float
    max: float
    row: int
    times: float | None


def first_rises(groups: NormTable, rows: Iterable[int]) -> list[Rise]:
    """Find what rose first for each of the steps `rows`, in which the whole explodes or is not finite.

    From each of them, go back as long as any group stands high or is not finite: what rose first is what does so there.
    """
    times = _times(groups)
    some: list[bool] = np.logical_or.reduce(times > 0, axis=1).tolist()
    found = []
    for row in rows:
        first = row
        while first > 0 and some[first - 1]:
            first -= 1
        found.append(_leaders(first, times[first], int(np.count_nonzero(groups.present[first]))))
    return found


def heights(groups: NormTable) -> list[Height]:
    """Compare the largest norm of each group with its median over all steps; the highest come first.

    Groups without a finite norm are left out.
    """
    known = np.where(groups.finite, groups.norms, np.nan)
    usual = medians(known)
    columns = np.flatnonzero(groups.finite.any(axis=0))
    if not columns.size:
        return []
    rows = np.nanargmax(known[:, columns], axis=0)
    tops, medians_of = known[rows, columns], usual[columns]
    with np.errstate(over="ignore"):
        times = np.divide(tops, medians_of, out=np.full_like(tops, np.nan), where=medians_of != 0)
    ratios = [None if math.isnan(ratio) else ratio for ratio in times.tolist()]
    figures = (one.tolist() for one in (columns, medians_of, tops, rows))
    found = list(map(Height, *figures, ratios))
    return sorted(found, key=lambda one: (-(one.times or 0.0), one.column))


def _times(groups: NormTable) -> Matrix:
    """Return how many times its usual norm each group has where it stands high, inf where it is not finite, 0 elsewhere."""
    found = explosions(groups.norms, groups.finite, HIGH, _ENOUGH)
    known = np.where(groups.finite, groups.norms, np.nan)
    high = found.steps & beyond_noise(known, found.usual, found.steps, shared=True)
    with np.errstate(over="ignore"):
        times = np.divide(groups.norms, found.usual, out=np.zeros_like(groups.norms), where=high)
    return np.where(groups.present & ~groups.finite, math.inf, times)


def _leaders(row: int, times: Matrix, present: int) -> Rise:
    """Name the groups that stand high at a step; where more than half do, only those that are far ahead of the rest."""
    order = [column for column in np.argsort(-times, kind="stable").tolist() if times[column] > 0]
    if 2 * len(order) > present > 1:
        ahead = [
            k
            for k in range(1, present // 2 + 1)
            if times[order[k - 1]] >= AHEAD * times[order[k]] and math.isfinite(times[order[k]])
        ]
        order = order[: ahead[0]] if ahead else []
    return Rise(row, tuple(order), tuple(float(times[column]) for column in order))
