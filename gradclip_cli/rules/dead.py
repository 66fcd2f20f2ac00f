"""Tensors that are all zeros."""

from collections.abc import Iterator

import numpy as np

from gradclip_cli.rules.base import Found, percent, places
from gradclip_cli.rules.figures import Figures
from gradclip_cli.rules.limits import Limits

MEANING = "frozen, not used, or behind units that are never active"


def find(figures: Figures, limits: Limits) -> Iterator[Found]:
    """Find tensors with a share of zeros of at least `dead_share`.

    What is dead in the first dump alone is not: behind an output layer that begins as zeros, the first gradients are 0.
    """
    there = figures.elements > 0
    shares = np.divide(figures.zeros, figures.elements, out=np.zeros_like(figures.zeros), where=there)
    dead = there & (shares >= limits.dead_share)
    woken = ~dead[1:].any(axis=0) & there[1:].any(axis=0)
    dead[:1] &= ~woken
    for rows, column in places(dead):
        share, size = float(shares[rows[0], column]), figures.elements[rows[0], column]
        message = f"{percent(share)} of {size:,.0f} elements are 0: {MEANING}"
        yield Found(rows, share, limits.dead_share, message, column)
