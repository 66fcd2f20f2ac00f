"""Find dumps out of balance: with one tensor that makes up nearly all of the norm, or with layers of very different norms."""

from collections.abc import Iterator

import numpy as np

from gradclip_cli.checks.base import Figures, Problem, percent, places
from gradclip_cli.checks.limits import Limits
from gradclip_cli.text import printable, times

DOMINATED_ADVICE = "a global norm sees nothing else: clip by layer or by tensor, or scale its input"
SPREAD_ADVICE = "no single learning rate or threshold suits both"


def find_dominated(figures: Figures, limits: Limits) -> Iterator[Problem]:
    """Find tensors with more than `dominated_share` of the squared norm of a finite dump with two or more layers that are not 0.

    In a single layer, a weight may well dominate: only its bias is beside it.
    """
    total = figures.dump_norms[:, None]
    judged = np.isfinite(total) & ((figures.layer_norms > 0).sum(axis=1) > 1)[:, None]
    shares = np.divide(figures.norm, total, out=np.zeros_like(figures.norm), where=judged) ** 2
    for rows, column in places(shares > limits.dominated_share):
        share = float(shares[rows[0], column])
        worst = float(shares[rows, column].max())
        message, brief = (f"{percent(one)} of the squared norm of the {figures.noun}" for one in (share, worst))
        found = Problem(rows, share, limits.dominated_share, message, column, advice=DOMINATED_ADVICE)
        yield found._replace(worst=worst, brief=brief)


def find_spread(figures: Figures, limits: Limits) -> Iterator[Problem]:
    """Find the first dump whose largest layer norm is above `spread_ratio` times the smallest that is not 0."""
    wrong = []
    for row, norms in enumerate(figures.layer_norms):
        taken = np.flatnonzero(norms > 0)
        if taken.size > 1:
            low, high = (int(taken[pick(norms[taken])]) for pick in (np.argmin, np.argmax))
            with np.errstate(over="ignore", invalid="ignore"):  # either may be above float64
                ratio = float(norms[high] / norms[low])
            if ratio > limits.spread_ratio:
                wrong.append((row, ratio, low, high))
    rows = [row for row, *_ in wrong]
    for row, ratio, low, high in wrong[:1]:
        norms = figures.layer_norms[row]
        names = [f"{printable(figures.layers[k])} {norms[k]:.4g}" for k in (high, low)]
        message = f"the norm of {f' is {times(ratio)} that of '.join(names)}"
        worst = max(wrong, key=lambda one: one[1])
        larger, smaller = (printable(figures.layers[k]) for k in (worst[3], worst[2]))
        brief = f"norm of {larger} {times(worst[1])} that of {smaller} (limit {limits.spread_ratio:g})"
        yield Problem(rows, ratio, limits.spread_ratio, message, advice=SPREAD_ADVICE, worst=worst[1], brief=brief)
