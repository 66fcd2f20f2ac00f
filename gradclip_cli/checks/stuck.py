"""Find tensors that do not learn: all zeros, or the same values in dump after dump."""

from collections.abc import Iterator

import numpy as np

from gradclip_cli.checks.base import Figures, Problem, percent, places
from gradclip_cli.checks.limits import Limits
from gradclip_cli.thresholds.samples import Mask

DEAD_ADVICE = "frozen, not used, or behind units that are never active"
UNCHANGED_ADVICE = "gradients that are not computed anew, or the same dump more than once"


def find_dead(figures: Figures, limits: Limits) -> Iterator[Problem]:
    """Find tensors with a share of zeros of at least `dead_share`.

    Leave out tensors that are dead in the first dump only: if the output layer starts as zeros, the first gradients are 0.
    """
    there = figures.elements > 0
    shares = np.divide(figures.zeros, figures.elements, out=np.zeros_like(figures.zeros), where=there)
    dead = there & (shares >= limits.dead_share)
    woken = ~dead[1:].any(axis=0) & there[1:].any(axis=0)
    dead[:1] &= ~woken
    for rows, column in places(dead):
        share, size = float(shares[rows[0], column]), figures.elements[rows[0], column]
        message = f"{percent(share)} of {size:,.0f} elements are 0"
        worst = float(shares[rows, column].max())
        found = Problem(rows, share, limits.dead_share, message, column, advice=DEAD_ADVICE, worst=worst)
        yield found._replace(brief=f"{percent(worst)} of the values are 0")


def find_unchanged(figures: Figures, limits: Limits) -> Iterator[Problem]:
    """Find tensors with the same values in at least `unchanged_dumps` dumps in a row; report the first such run of each."""
    pairs = limits.unchanged_dumps - 1
    found = []
    for column in np.flatnonzero(figures.same.sum(axis=0) >= pairs).tolist():
        runs = [run for run in _runs(figures.same[:, column] > 0) if run[1] >= pairs]
        found += [(row, column, length, runs) for row, length in runs[:1]]
    for row, column, length, runs in sorted(found):
        last, most = figures.dumps[row + length], max(length for _, length in runs) + 1
        message = f"the same values in {length + 1} dumps in a row, up to {last}"
        rows = sorted({start + k for start, length in runs for k in range(length + 1)})
        problem = Problem(rows, length + 1, limits.unchanged_dumps, message, column, advice=UNCHANGED_ADVICE)
        yield problem._replace(worst=most, brief=f"the same values in {most:,} dumps in a row", dated=True)


def _runs(same: Mask) -> list[tuple[int, int]]:
    """Return the runs of True in `same`: the dump before the run, which has the same values, and the length of the run."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], same.astype(np.int8), [0]])))
    return [(start - 1, stop - start) for start, stop in edges.reshape(-1, 2).tolist()]
