"""Tell whether norms fall, rise or step over a run, from which level to which, and where the part after that begins."""

import math
from typing import Literal, NamedTuple

import numpy as np

from gradclip_cli.thresholds.levels import logs, median_error, medians, misfit, running_medians, spreads
from gradclip_cli.thresholds.norm_table import NormTable
from gradclip_cli.thresholds.samples import Matrix, median

LEAST = 2.0
"""Norms have a trend if the median of the first (a tenth of them, 3 to 20) and that of the last 20 differ by this factor ..."""

DEVIATIONS = 4.0
"""... and by so many standard errors of such a difference, on a logarithmic scale."""

SETTLED = 20
"""The part after a fall or rise begins with the first so many norms whose median is within a quarter of that of the last ones."""

WITHIN = 0.25
"""Two levels of norms are the same within so much of one of them."""

_FIRST = 3
_ENOUGH = 10
_POINTS = 60

Kind = Literal["falls", "rises", "steps", "steady"]


class Trend(NamedTuple):
    """Where norms go: from the level `start` to the level `end`; the part at that level begins at step `settled_row`.

    They step where a jump describes them better than any ramp does. Of steady norms `settled_row` is 0; without norms both
    levels are NaN.
    """

    kind: Kind
    start: float
    end: float
    settled_row: int


def trend(table: NormTable, column: int = 0) -> Trend:
    """Describe the trend of one group; fewer than 10 finite norms above 0 are steady."""
    rows = np.flatnonzero(table.finite[:, column] & (table.norms[:, column] > 0))
    norms = table.norms[rows, column]
    if not len(norms):
        return Trend("steady", math.nan, math.nan, 0)
    start, end = _start(norms), median(norms[-_last(len(norms)) :])
    if not _has_moved(norms):
        return Trend("steady", start, end, 0)
    place = _jump(logs(norms))
    kind: Kind = "steps" if place is not None else "falls" if end < start else "rises"
    return Trend(kind, start, end, int(rows[_settled(norms) if place is None else place]))


def _last(count: int) -> int:
    """Return how many of the last norms make up a level: 20, or half of a short series."""
    return min(SETTLED, max(1, count // 2))


def _start(norms: Matrix) -> float:
    """Return the first norm; where it is not within a quarter of the median of the first 3, that median."""
    first, usual = float(norms[0]), median(norms[:_FIRST])
    return first if abs(first - usual) <= WITHIN * usual else usual


def _settled(norms: Matrix) -> int:
    """Return the first of the first 20 norms in succession whose median is within a quarter of that of the last 20."""
    levels = running_medians(norms[:, None], _last(len(norms)))[:, 0]
    return int(np.flatnonzero(np.abs(levels - levels[-1]) <= WITHIN * levels[-1])[0])


def _has_moved(norms: Matrix) -> bool:
    """Return whether the levels at both ends differ by more than noise."""
    points, last = logs(norms[:, None]), _last(len(norms))
    first = min(SETTLED, max(_FIRST, len(norms) // 10))
    change = abs(float(medians(points[-last:])[0] - medians(points[:first])[0]))
    error = float(spreads(points)[0]) * median_error(first, last) if len(norms) > 1 else 0.0
    return len(norms) >= _ENOUGH and change >= max(math.log(LEAST), DEVIATIONS * error)


def _jump(points: Matrix) -> int | None:
    """Return where a jump between two levels, each of 3 points at least, fits better than any ramp; None if a ramp does.

    Long series are first reduced to the medians of up to 60 stretches.
    """
    each = -(-len(points) // _POINTS)
    parts = np.array([median(points[start : start + each]) for start in range(0, len(points), each)])
    rows, least = np.arange(len(parts)), max(5, len(parts) // 6)
    grid = range(0, len(parts), max(1, len(parts) // 15))
    ramps = [(a, b) for a in grid for b in (*grid, len(parts) - 1) if b - a >= least]
    ramp = min(misfit(parts, np.clip((rows - a) / (b - a), 0.0, 1.0)) for a, b in ramps)
    place, jump = _best_jump(parts, range(_FIRST, len(parts) - _FIRST + 1))
    if jump >= ramp:
        return None
    return place if each == 1 else _best_jump(points, range((place - 1) * each, (place + 1) * each))[0]


def _best_jump(points: Matrix, places: range) -> tuple[int, float]:
    """Return the first point of the new level, among `places`, and the misfit of the jump."""
    rows = np.arange(len(points))
    return min(
        ((place, misfit(points, (rows >= place).astype(np.float64))) for place in places), key=lambda one: one[1]
    )
