"""Define when norms explode, for `check` and for the advice of `stats`."""

from bisect import insort
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from gradclip_cli.thresholds.samples import Mask, Matrix

RISE = 3.0
"""An exploding norm is also above so many times the lowest norm before it: a run that starts high and falls does not explode."""

_BEGUN = 2
"""The number of norms required before a rise that lasts: the very first norms may be tiny, since layers may start near 0.

After a single norm, a rise must be by the square of the factor.
"""

_START = 11
"""In so many first steps, a part of a dump must be far above the median of these, too: layers rise and fall at the start."""


class Explosions(NamedTuple):
    """Which norms explode (steps × groups), the usual norm of each group, and whether that is of the steps before a rise only."""

    steps: Mask
    usual: Matrix
    stays: Mask


def explosions(norms: Matrix, taken: Mask, factor: float, enough: int, *, parts: bool = False) -> Explosions:
    """Find norms (steps × groups) above `factor` times the usual norm of their group.

    Only the norms in `taken` are used, and only groups with at least `enough` of them are judged. If the groups are `parts` of
    dumps, their first norms must also be far above the median of those.

    The usual norm is the median of the group. If the norms rise above `factor` times their median in the first half of the run
    and stay there, it is the median before that rise: the median of the whole run would be that of the explosion.
    """
    known = np.where(taken, norms, np.inf)
    lowest = np.minimum.accumulate(np.vstack([np.full_like(known[:1], np.inf), known[:-1]]))
    judged = taken.sum(axis=0) >= enough
    usual, stays = _medians(norms, taken), np.zeros(norms.shape[1], np.bool_)
    with np.errstate(invalid="ignore", over="ignore"):
        rising = judged & (taken & (norms > factor * lowest)).any(axis=0)
        for column in np.flatnonzero(rising).tolist():
            before = _before_the_rise(norms[taken[:, column], column].tolist(), factor)
            if before is not None and before < usual[column]:
                usual[column], stays[column] = before, True
        steps: Mask = taken & judged & (usual > 0) & (norms > factor * usual) & (norms > RISE * lowest)
        if parts:
            start = _medians(norms[:_START], taken[:_START])
            steps[:_START] &= stays | (norms[:_START] > factor * start)
    return Explosions(steps, usual, stays)


def _medians(norms: Matrix, taken: Mask) -> Matrix:
    """Return the median of the `taken` norms of each column; 0 if there are none."""
    if not len(norms):
        return np.zeros(norms.shape[1])
    ordered = np.sort(np.where(taken, norms, np.nan), axis=0)  # NaN is sorted last
    counts = taken.sum(axis=0)
    low, high = (
        np.take_along_axis(ordered, middle[None], axis=0)[0] for middle in (np.maximum(counts - 1, 0) // 2, counts // 2)
    )
    with np.errstate(invalid="ignore"):  # if both are infinite
        middles = np.where(low == high, low, low + (high - low) / 2)
    return np.where(counts > 0, middles, 0.0)


def _before_the_rise(norms: list[float], factor: float) -> float | None:
    """Return the median of the norms before a lasting rise above `factor` times it in the first half; None if there is none."""
    before = _running_medians(norms)
    after = _running_medians(reversed(norms))[::-1]
    for k in range(1, len(norms) // 2 + 1):
        rise = factor if k >= _BEGUN else factor**2
        if 0 < rise * before[k - 1] < min(norms[k], after[k]):
            return before[k - 1]
    return None


def _running_medians(norms: Iterable[float]) -> list[float]:
    """Return, for each norm, the median of it and all norms before it."""
    ordered: list[float] = []
    found = []
    for norm in norms:
        insort(ordered, norm)
        low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
        found.append(low + (high - low) / 2)
    return found
