"""Find norms that grow slowly over many dumps, each near those before it."""

from collections.abc import Iterator

import numpy as np

from gradclip_cli.checks.base import Figures, Problem, times
from gradclip_cli.checks.limits import Limits
from gradclip_cli.thresholds.growth import Growth, growths
from gradclip_cli.thresholds.levels import medians
from gradclip_cli.thresholds.samples import Mask, Matrix

ADVICE = "what drifts up may explode later: lower the learning rate, or look at what feeds it"

_LOST = 1e-6
"""A layer norm below this share of the median norm of the dumps is no more than rounding."""

_AHEAD = 2.0
"""Where most layers grow with the dump, those that grow so many times as much are findings of their own."""


def find_growing(figures: Figures, limits: Limits) -> Iterator[Problem]:
    """Find whether the norm of the dumps grows to `growing_factor` times what it was, and which layers do.

    Where the dumps grow and more than half of the layers do, only layers that grow twice as much are findings of their own.
    """
    total = figures.dump_norms[:, None]
    whole = _growths(total, np.isfinite(total), limits)
    layers = _growths(figures.layer_norms, figures.layers_there, limits)
    lost = _LOST * float(np.nan_to_num(medians(np.where(np.isfinite(total), total, np.nan))[0])) if len(total) else 0.0
    layers = [one for one in layers if one.end > lost]
    together = bool(whole) and 2 * len(layers) > len(figures.layers)
    for one in whole:
        more = f", with {len(layers)} of {len(figures.layers)} layers" if layers and len(figures.layers) > 1 else ""
        yield _found(one, "the norm of the dump", limits, more)._replace(whole=True)
    least = _AHEAD * whole[0].end / whole[0].start if together else 0.0
    for one in sorted(layers, key=lambda one: (one.since, one.column)):
        if one.end / one.start >= least:
            yield _found(one, "the norm of the layer", limits)._replace(layer=figures.layers[one.column])


def _growths(norms: Matrix, taken: Mask, limits: Limits) -> list[Growth]:
    return growths(norms, taken, limits.growing_factor, limits.growing_dumps)


def _found(one: Growth, what: str, limits: Limits, more: str = "") -> Problem:
    levels = f"from {one.start:.4g} to {one.end:.4g}"
    rows, ratio = range(one.since, one.until + 1), times(one.end / one.start)
    message = f"{what} grows {levels}, {ratio}{more}"
    found = Problem(rows, one.end, limits.growing_factor * one.start, message, advice=ADVICE, worst=one.end)
    return found._replace(brief=f"norm grows {levels}")
