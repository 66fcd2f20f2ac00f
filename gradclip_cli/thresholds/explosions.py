"""What it means that norms explode: `check` and the advice of `stats` share this definition."""

from bisect import insort
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from gradclip_cli.thresholds.samples import Mask, Matrix

RISE = 3.0
"""What explodes is also above so many times the lowest norm before it: a run that begins high and comes down does not explode."""

_BEGUN = 2
"""So many norms have to stand before those that explode and stay up: the very first may be those of layers of near zeros.

Behind a single one they have to rise by the factor twice.
"""

_START = 11
"""In so many steps at first a part of a dump has to be above their own median too: as training begins, layers rise and fall."""


class Explosions(NamedTuple):
    """Which norms explode (steps × groups), the norm that is usual for each group, and whether that is of the steps before only."""

    steps: Mask
    usual: Matrix
    stays: Mask


def explosions(norms: Matrix, taken: Mask, factor: float, enough: int, *, parts: bool = False) -> Explosions:
    """Find norms above `factor` times what is usual for their group, of groups (columns) with at least `enough` that are `taken`.

    Groups that are `parts` of dumps also have to be far above what they are at first.

    Usual is the median of the group, or of the norms before those of the first half that rise above `factor` times it and stay
    up there: where a run explodes for good, the median of all of it is one of an explosion.
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
    """Return the median of each column over what is `taken` of it; 0 of nothing."""
    if not len(norms):
        return np.zeros(norms.shape[1])
    ordered = np.sort(np.where(taken, norms, np.nan), axis=0)  # NaN last
    counts = taken.sum(axis=0)
    low, high = (
        np.take_along_axis(ordered, middle[None], axis=0)[0] for middle in (np.maximum(counts - 1, 0) // 2, counts // 2)
    )
    with np.errstate(invalid="ignore"):  # where both are infinite
        middles = np.where(low == high, low, low + (high - low) / 2)
    return np.where(counts > 0, middles, 0.0)


def _before_the_rise(norms: list[float], factor: float) -> float | None:
    """Return the median of the norms before the first, in the first half, that is above `factor` times it as most after it are."""
    before = _running_medians(norms)
    after = _running_medians(reversed(norms))[::-1]
    for k in range(1, len(norms) // 2 + 1):
        rise = factor if k >= _BEGUN else factor**2
        if 0 < rise * before[k - 1] < min(norms[k], after[k]):
            return before[k - 1]
    return None


def _running_medians(norms: Iterable[float]) -> list[float]:
    """Return the median of each norm and all that come before it."""
    ordered: list[float] = []
    found = []
    for norm in norms:
        insort(ordered, norm)
        low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
        found.append(low + (high - low) / 2)
    return found
