"""Find gradients that are added up from step to step, since nobody sets them to 0.

Where g_t = g_{t-1} + n_t, norms rise in every step (as t, or as √t where the n_t are independent), each gradient holds the one
before whole, and the increments n_t stay of one size. Where gradients explode, the increments grow with the norm instead.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from gradclip_cli.checks.base import Figures, Follow, Problem
from gradclip_cli.checks.limits import Limits
from gradclip_cli.thresholds.samples import Mask, Matrix, median

ADVICE = "call optimizer.zero_grad() in every step, or dump after the last of the batches that are accumulated"

GROWTH = 1.5
"""The factor by which norms must rise at least while they rise in every dump; noise seldom rises so far so steadily."""

STEADY = 1.25
"""The factor by which they rise at least without their largest rise: a single jump is no sum."""

_KEPT, _USUALLY_KEPT = 0.8, 0.95
"""The share of the gradient before that each gradient holds at least, and in half of the dumps."""

_FIRST = 3.0
"""A sum begins with its first increment: what many times an increment comes before them is no sum of a few of them."""

_PARTS = 2
"""So many times as many dumps must show a sum in tensors that make up little of the dump: a few seldom rise alone for long."""

_OLDER = 0.3
"""The most that the gradient before the last one may say of this one beside the last one, which a sum holds whole."""

_MOST_TENSORS, _MOST_ROWS = 4, 5
"""The tensors that are read again, and the dumps in which each of them is compared with the two before."""

_LEAST, _LARGE = 64, 1 << 22
"""The size in elements below which a cosine says little, and that above which a tensor is read again only where none else is."""


class Rise(NamedTuple):
    """Norms of a column that rise in every dump from row `first` to row `last`."""

    column: int
    first: int
    last: int


def suspects(figures: Figures, limits: Limits) -> list[Rise]:
    """Return the tensors whose norms rise as those of sums do, in the order in which they are worth reading again."""
    sizes, norms = figures.elements.max(axis=0, initial=0), figures.norm
    rises = _rises(norms, figures.sound & (sizes >= _LEAST), max(3, limits.accumulating_dumps))
    return sorted(
        rises, key=lambda rise: (bool(sizes[rise.column] > _LARGE), -norms[rise.last, rise.column], rise.column)
    )


def sampled(rises: Sequence[Rise]) -> dict[int, list[int]]:
    """Return the rows in which each of the first of these tensors is compared with the two dumps before, by column."""
    found = {}
    for column, first, last in rises[:_MOST_TENSORS]:
        rows = np.linspace(first + 2, last, min(_MOST_ROWS, last - first - 1)).round()
        found[column] = [int(row) for row in rows]
    return found


def may_be_sum(follow: Follow) -> bool:
    """Whether a gradient holds the one before nearly whole; of what does not, no more needs to be read."""
    return follow.kept >= _KEPT


def find_accumulating(figures: Figures, limits: Limits) -> Iterator[Problem]:
    """Find sums among the suspects: the whole dump if they make up most of it, or else each tensor that was read again."""
    rises = {rise.column: rise for rise in suspects(figures, limits) if figures.follows}
    sums = [column for column, follows in figures.follows.items() if _is_sum(follows, rises.get(column), limits)]
    if not sums:
        return
    last = rises[sums[0]].last
    inside = [column for column, rise in rises.items() if rise.first < last <= rise.last]
    whole = _square(figures.norm[last, inside]) > _square(figures.norm[last]) / 2
    if whole and 2 * len(sums) > len(figures.follows):
        yield _problem(figures, rises[sums[0]], limits, together=True)
        return
    for column in sums:
        if rises[column].last - rises[column].first + 1 >= _PARTS * limits.accumulating_dumps:
            yield _problem(figures, rises[column], limits, together=False)


def _rises(norms: Matrix, taken: Mask, enough: int) -> Iterator[Rise]:
    """Yield the longest rise of each column that has one of at least `enough` rows, and rises far and steadily enough."""
    length, best, end = (np.zeros(norms.shape[1], np.int64) for _ in range(3))
    times, most = np.ones(norms.shape[1]), np.ones(norms.shape[1])
    for row in range(1, len(norms)):
        higher = taken[row] & taken[row - 1] & (norms[row] > norms[row - 1]) & (norms[row - 1] > 0)
        ratio = np.divide(norms[row], norms[row - 1], out=np.ones_like(times), where=higher)
        length = np.where(higher, length + 1, 0)
        times, most = np.where(higher, times * ratio, 1.0), np.where(higher, np.maximum(most, ratio), 1.0)
        better = (length > best) & (length >= enough - 1) & (times >= GROWTH) & (times >= STEADY * most)
        best, end = np.where(better, length, best), np.where(better, row, end)
    for column in np.flatnonzero(best).tolist():
        yield Rise(column, int(end[column] - best[column]), int(end[column]))


def _is_sum(follows: Sequence[Follow], rise: Rise | None, limits: Limits) -> bool:
    """Whether each gradient of a rise is the one before plus increments of one size."""
    if rise is None or not follows or not all(may_be_sum(one) for one in follows):
        return False
    if median([one.kept for one in follows]) < _USUALLY_KEPT or max(one.older for one in follows) > _OLDER:
        return False
    if not follows[-1].cosine > limits.accumulating_cosine:
        return False
    grown = _change([one.norms[1] for one in follows])
    if _change([one.increment for one in follows]) > max(GROWTH, math.sqrt(grown)):
        return False
    usual = median([one.increment for one in follows])
    return follows[0].norms[0] <= usual * max(_FIRST, math.sqrt(rise.last - rise.first))


def _change(values: Sequence[float]) -> float:
    """Return the median of the later half of values over that of the earlier half."""
    half = (len(values) + 1) // 2
    return median(values[-half:]) / median(values[:half])


def _problem(figures: Figures, rise: Rise, limits: Limits, *, together: bool) -> Problem:
    """Describe a sum; `together` with most of the dump."""
    column, first, last = rise
    follows = figures.follows[column]
    norms = figures.dump_norms if together else figures.norm[:, column]
    low, high = (float(norms[row]) for row in (first, last))
    count, cosine = last - first + 1, follows[-1].cosine
    whose = "the norm of the dump" if together else "its norm"
    message = (
        f"each gradient is the last one plus something: {whose} rises from {low:.4g} to {high:.4g} in {count:,} dumps in a row, "
        f"and the cosine to the dump before is {cosine:.4g}{' in this tensor' if together else ''}"
    )
    brief = f"norm {low:.3g} to {high:.3g}, cosine {cosine:.2g} to the dump before"
    found = Problem(range(first, last + 1), cosine, limits.accumulating_cosine, message, column, advice=ADVICE)
    return found._replace(worst=max(one.cosine for one in follows), brief=brief, whole=together)


def _square(norms: Matrix) -> float:
    """Return the sum of squares, as a share of the largest square where that is beyond float64."""
    top = float(norms.max(initial=0))
    return top * top * float(np.square(norms / top).sum()) if top else 0.0
