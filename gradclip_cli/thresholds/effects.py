"""Compute what clipping by the norm of the whole would do at many thresholds at once, as a slider needs it.

The factors are those of the strategy itself, so the figures are those of `stats --try`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gradclip_cli.strategies.actions import group_ratios
from gradclip_cli.strategies.builtin import GLOBAL
from gradclip_cli.thresholds.samples import Matrix


class ClipEffect(NamedTuple):
    """What a threshold does: how many norms it clips, their mean factor, and the share that stays of Σ norm²."""

    threshold: float
    clipped: int
    mean_factor: float
    kept: float


def clip_effects(norms: Matrix, thresholds: Sequence[float], epsilon: float = 0.0) -> list[ClipEffect]:
    """Return the effect of each threshold on finite norms, of which there is one at least.

    >>> clip_effects(np.array([1.0, 4.0]), [2.0])
    [ClipEffect(threshold=2.0, clipped=1, mean_factor=0.75, kept=0.29411764705882354)]
    """
    ordered = np.sort(norms)
    scaled = ordered / (ordered[-1] or 1.0)  # so that no square overflows
    below = np.concatenate([[0.0], np.cumsum(np.square(scaled))])
    every = float(below[-1])
    stay = np.searchsorted(ordered + epsilon, thresholds, side="right").tolist()
    found = []
    for threshold, few in zip(thresholds, stay, strict=True):  # only the largest change, so only those are computed
        numerators, denominators = group_ratios(GLOBAL, ordered[few:], threshold, epsilon)
        factors = numerators / denominators
        after = scaled[few:] / denominators * numerators  # divide first, since the factor alone may underflow
        kept = float(below[few] + np.square(after).sum()) / every if every else 1.0
        mean = float(few + factors.sum()) / len(ordered)
        found.append(ClipEffect(threshold, int(np.count_nonzero(factors != 1)), mean, kept))
    return found
