"""Find norms that grow slowly over many steps: what no single step shows, since each is near its neighbours.

A series is looked at twice: its last 60 norms, and all of it as the medians of up to 60 stretches of equal length. Each look takes
running medians of 5 points, on a logarithmic scale. A group grows if they rise

- by at least `factor` above the level before, and by 6 standard errors of what two levels of such noisy norms may differ by;
- by at least `factor` above every level before, those of the first steps too, and the median of the last 10 norms, which lags
  behind, by three quarters of that: what comes back to where it was has not grown;
- gradually: over 5 points or more, nearer to a ramp than to a jump, never falling back by more than a quarter of the rise;
- to stay: the last level is in the upper quarter of the rise. What rose in the first 5 points, and is over, was a warm-up.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.thresholds.levels import logs, median_error, medians, misfit, running_medians, spreads
from gradclip_cli.thresholds.samples import Mask, Matrix, median

_POINTS = 60
"""The most points of a look."""

_WINDOW = 5
"""The points of a running median."""

_WARM_UP = 5
"""What begins to rise in so many first points, and rises no more in the last third, has only warmed up."""

_BEFORE = 20
"""The most levels before a rise whose median is the level from which it rises."""

_LAST, _LAG = 10, 0.75
"""The median of so many last norms is above every earlier level by so much of the factor."""

_JUMPS = 12
"""How many jumps, at places within a rise, are held against a ramp."""

_BACK = 0.25
"""The largest share of a rise by which levels fall back within it."""

_DEVIATIONS = 6.0
"""A rise is at least so many standard errors of the difference of two of the running medians."""


class Growth(NamedTuple):
    """A group that grows: its column, the levels it grows from and to, and the steps since and until which it does."""

    column: int
    start: float
    end: float
    since: int
    until: int


class _Look(NamedTuple):
    """Points, aligned at the end (points × groups; NaN where there are none), and the step of each."""

    points: Matrix
    steps: NDArray[np.intp]


def growths(norms: Matrix, taken: Mask, factor: float, enough: int) -> list[Growth]:
    """Find the groups (columns) whose norms grow by at least `factor`, among those with `enough` norms that are taken and above 0."""
    known = np.where(taken & np.isfinite(norms) & (norms > 0), norms, np.nan)
    there = ~np.isnan(known)
    judged = np.flatnonzero(np.count_nonzero(there, axis=0) >= enough)
    order = np.argsort(there[:, judged], axis=0, kind="stable")
    aligned = np.take_along_axis(known[:, judged], order, axis=0)
    found: dict[int, Growth] = {}
    for look in _looks(aligned, order):
        for growth in _growing(look, factor):
            column = int(judged[growth.column])
            if _is_new(known[:, column], growth, factor):
                found.setdefault(column, growth._replace(column=column))
    return [found[column] for column in sorted(found)]


def _is_new(norms: Matrix, growth: Growth, factor: float) -> bool:
    """Return whether a group (a vector of norms) has come to `factor` times above every level before its growth, and still is."""
    least = factor * _highest(norms[: growth.since])
    now = median(norms[~np.isnan(norms)][-_LAST:])
    return growth.end >= least and now >= _LAG * least


def _highest(norms: Matrix) -> float:
    """Return the highest level of a vector of norms (NaN where there are none), among the first and the stretches; 0 without any."""
    norms = norms[~np.isnan(norms)]
    each = max(1, -(-len(norms) // _POINTS))
    stretches = medians(norms[len(norms) % each :].reshape(-1, each).T)
    levels = [running_medians(points[:, None], _WINDOW) for points in (norms[:_POINTS], stretches)]
    return float(np.max(np.concatenate(levels), initial=0.0))


def _looks(aligned: Matrix, order: NDArray[np.intp]) -> list[_Look]:
    """Return the looks at a series: all of it first."""
    last = _Look(aligned[-_POINTS:], order[-_POINTS:])
    each = -(-len(aligned) // _POINTS)
    if each < 2:
        return [last]
    points = len(aligned) // each
    first = len(aligned) - points * each
    stretches = aligned[first:].reshape(points, each, -1)
    middles = np.stack([medians(stretch) for stretch in stretches])
    whole = np.isnan(stretches).any(axis=1)
    return [_Look(np.where(whole, np.nan, middles), order[first + each // 2 :: each]), last]


def _growing(look: _Look, factor: float) -> list[Growth]:
    """Judge the groups whose highest level is far above the lowest; few are, so each is then judged alone."""
    points = logs(look.points)
    levels = running_medians(points, _WINDOW)
    if not len(levels):
        return []
    least = np.fmax(math.log(max(factor, 1.0)), _DEVIATIONS * median_error(_WINDOW, _WINDOW) * spreads(points))
    far = np.fmax.reduce(levels, axis=0) - np.fmin.reduce(levels, axis=0) >= least
    found = []
    for column in np.flatnonzero(far).tolist():
        begin = int(np.count_nonzero(np.isnan(points[:, column])))
        ramp = _ramp(levels[begin:, column], float(least[column]))
        if ramp is not None and _is_gradual(points[begin:, column], ramp):
            until = -1 if ramp.lasts else begin + ramp.until + _WINDOW // 2
            since, until = (int(look.steps[row, column]) for row in (begin + ramp.since + _WINDOW // 2, until))
            found.append(Growth(column, math.exp(ramp.start), math.exp(ramp.end), since, until))
    return found


class _Ramp(NamedTuple):
    """A rise from `start` to `end`: where the lowest level is, and those of a tenth and nine tenths of the rise (indices).

    It `lasts` if one of the last levels is the highest.
    """

    low: int
    since: int
    until: int
    start: float
    end: float
    lasts: bool


def _ramp(levels: Matrix, least: float) -> _Ramp | None:
    """Find a rise of at least `least` that stays and does not fall back; None if there is none."""
    low = int(np.argmin(levels))
    end = float(levels[low:].max())
    rise = end - float(levels[low])
    if rise < least or levels[-1] < levels[low] + 0.75 * rise:
        return None
    until = low + int(np.argmax(levels[low:] >= levels[low] + 0.9 * rise))
    since = low + int(np.flatnonzero(levels[low:until] <= levels[low] + 0.1 * rise)[-1])
    climb = levels[since : until + 1]
    back = float((np.maximum.accumulate(climb) - climb).max())
    over = until < len(levels) - max(_WINDOW, len(levels) // 3)
    start = median(levels[max(0, since - _BEFORE) : since + 1])
    gradual = until - since >= _WINDOW - 1 and back <= _BACK * rise and not (over and since < _WARM_UP)
    lasts = not over and int(np.argmax(levels)) >= len(levels) - _WINDOW
    return _Ramp(low, since, until, start, end, lasts) if gradual and end - start >= least else None


def _is_gradual(points: Matrix, ramp: _Ramp) -> bool:
    """Return whether points from the lowest level on are nearer to a ramp than to a jump between two levels."""
    after = points[ramp.low :]
    rows = np.arange(len(after))
    first, last = (row - ramp.low + _WINDOW // 2 for row in (ramp.since, ramp.until))
    beyond = (last - first) / 8  # the levels are those of a tenth and of nine tenths of the rise
    ends = {last + beyond, float(len(after) - 1)}
    ramped = min(misfit(after, np.clip((rows - first + beyond) / (end - first + beyond), 0.0, 1.0)) for end in ends)
    jumps = {round(place) for place in np.linspace(max(1, first), min(last + 1, len(after) - 1), _JUMPS).tolist()}
    return ramped < min(misfit(after, (rows >= k).astype(np.float64)) for k in jumps)
