"""Layers whose norms are worlds apart."""

from collections.abc import Iterator

import numpy as np

from gradclip_cli.rules.base import Found
from gradclip_cli.rules.figures import Figures
from gradclip_cli.rules.limits import Limits
from gradclip_cli.text import printable

MEANING = "no one learning rate or threshold fits both"


def find(figures: Figures, limits: Limits) -> Iterator[Found]:
    """Find the first dump whose largest layer norm is above `spread_ratio` times the smallest that is not 0."""
    wrong = []
    for row, norms in enumerate(figures.layer_norms):
        taken = np.flatnonzero(norms > 0)
        if taken.size > 1:
            low, high = (int(taken[pick(norms[taken])]) for pick in (np.argmin, np.argmax))
            with np.errstate(over="ignore", invalid="ignore"):  # both may be above float64
                ratio = float(norms[high] / norms[low])
            if ratio > limits.spread_ratio:
                wrong.append((row, ratio, low, high))
    rows = [row for row, *_ in wrong]
    for row, ratio, low, high in wrong[:1]:
        norms = figures.layer_norms[row]
        names = [f"{printable(figures.layers[k])} {norms[k]:.4g}" for k in (high, low)]
        message = f"the norm of {f' is {ratio:.4g} times that of '.join(names)}: {MEANING}"
        yield Found(rows, ratio, limits.spread_ratio, message)
