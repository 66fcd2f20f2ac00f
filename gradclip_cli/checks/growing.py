"""Find norms that grow slowly over many dumps, each near those before it."""

import math
from collections.abc import Iterator

import numpy as np

from gradclip_cli.checks.base import Figures, Problem
from gradclip_cli.checks.limits import Limits
from gradclip_cli.text import times
from gradclip_cli.thresholds.explosions import FEWEST
from gradclip_cli.thresholds.growth import Growth, growths
from gradclip_cli.thresholds.levels import medians
from gradclip_cli.thresholds.samples import Mask, Matrix

ADVICE = "what drifts up may explode later: lower the learning rate, or look at what feeds it"

_AHEAD = 2.0
"""Where most layers grow with the dump, those that grow so many times as much are findings of their own."""

_SHARE = 2.0
"""Layers grow slowly in healthy runs, too, so one must hold so many times the share from which on it matters."""


def find_growing(figures: Figures, limits: Limits) -> Iterator[Problem]:
    """Find whether the norm of the dumps grows to `growing_factor` times what it was, and which layers that matter do.

    Where the dumps grow and more than half of the layers do, only layers that grow twice as much are findings of their own.
    """
    total = figures.dump_norms[:, None]
    whole = _growths(total, np.isfinite(total), limits)
    layers = _growths(figures.layer_norms, figures.layers_there, limits)
    together = bool(whole) and 2 * len(layers) > len(figures.layers)
    for one in whole:
        more = f", with {len(layers)} of {len(figures.layers)} layers" if layers and len(figures.layers) > 1 else ""
        yield _found(one, f"the norm of the {figures.noun}", limits, more)._replace(whole=True)
    least = _AHEAD * whole[0].end / whole[0].start if together else 0.0
    for one in sorted(layers, key=lambda one: (one.since, one.column)):
        if one.end / one.start >= least and _matters(figures, one):
            yield _found(one, "the norm of the layer", limits)._replace(layer=figures.layers[one.column])


def _matters(figures: Figures, one: Growth) -> bool:
    """Whether a layer holds much of the square of the last 5 dumps of its growth."""
    rows = slice(max(0, one.until + 1 - FEWEST), one.until + 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = figures.layer_norms[rows, one.column] / figures.dump_norms[rows]
    return not float(medians(shares[:, None])[0]) < math.sqrt(_SHARE * figures.relevant)


def _growths(norms: Matrix, taken: Mask, limits: Limits) -> list[Growth]:
    return growths(norms, taken, limits.growing_factor, limits.growing_dumps)


def _found(one: Growth, what: str, limits: Limits, more: str = "") -> Problem:
    levels = f"from {one.start:.4g} to {one.end:.4g}"
    rows, ratio = range(one.since, one.until + 1), times(one.end / one.start)
    message = f"{what} grows {levels}, {ratio}{more}"
    found = Problem(rows, one.end, limits.growing_factor * one.start, message, advice=ADVICE, worst=one.end)
    return found._replace(brief=f"norm grows {levels}")
