"""Norms far above those of the rest of the series."""

from collections.abc import Iterator

import numpy as np

from gradclip_cli.rules.base import Found, percent, places
from gradclip_cli.rules.figures import Figures, Mask, Matrix
from gradclip_cli.rules.limits import Limits

MEANING = "clip the gradients, or lower the learning rate"

RISE = 3.0
"""What explodes is also above so many times the lowest norm before it: a run that begins high and comes down does not explode."""


def find(figures: Figures, limits: Limits) -> Iterator[Found]:
    """Find dumps with a norm above `exploding_factor` times the median, and name the tensor that leads each.

    In the other dumps, find tensors whose own norm is as far above their own median, if it is also above what is usual for
    the norm of the whole dump: what is lost in the sum explodes without harm.
    """
    enough, factor = limits.exploding_dumps, limits.exploding_factor
    total = figures.dump_norms[:, None]
    usual, medians = _medians(total, ~np.isnan(total), enough), _medians(figures.norm, figures.sound, enough)
    whole = _above(total, ~np.isnan(total), factor, usual)
    own = _above(figures.norm, figures.sound, factor, medians) & (figures.norm > usual) & ~whole
    leads = np.zeros_like(own)
    if whole.any():
        leads[whole[:, 0], figures.norm[whole[:, 0]].argmax(axis=1)] = True
    for rows, column in places(leads):
        share = figures.norm[rows[0], column] / total[rows[0], 0]
        led = f"{percent(float(share) ** 2)} of its square in this tensor"
        yield _found(rows, column, total[:, 0], float(usual[0]), factor, f"the norm of the dump is {{}}, {led}")
    for rows, column in places(own):
        yield _found(rows, column, figures.norm[:, column], float(medians[column]), factor, "the norm is {}")


def _found(rows: list[int], column: int, norms: Matrix, median: float, factor: float, what: str) -> Found:
    value, worst = float(norms[rows[0]]), float(norms[rows].max())
    times = f"{value / median:.4g} times the median {median:.4g}"
    most = f" (at worst {worst / median:.4g} times)" if worst > value else ""
    return Found(rows, value, factor * median, f"{what.format(times + most)}: {MEANING}", column)


def _medians(norms: Matrix, taken: Mask, enough: int) -> Matrix:
    """The median of each column over what is `taken` of it; 0 where that is too little to tell."""
    found = np.zeros(norms.shape[1])
    judged = taken.sum(axis=0) >= enough
    if judged.any():
        found[judged] = np.nanmedian(np.where(taken, norms, np.nan)[:, judged], axis=0)
    return found


def _above(norms: Matrix, taken: Mask, factor: float, medians: Matrix) -> Mask:
    """What is above `factor` medians, and has risen to that."""
    known = np.where(taken, norms, np.inf)
    lowest = np.minimum.accumulate(np.vstack([np.full_like(known[:1], np.inf), known[:-1]]))
    with np.errstate(invalid="ignore", over="ignore"):
        found: Mask = taken & (medians > 0) & (norms > factor * medians) & (norms > RISE * lowest)
    return found
