"""Find norms far above those of the rest of the series."""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from gradclip_cli.checks.base import Figures, Problem, percent, places
from gradclip_cli.checks.limits import Limits
from gradclip_cli.thresholds.explosions import Explosions, explosions
from gradclip_cli.thresholds.samples import Mask, Matrix

ADVICE = "clip the gradients, or lower the learning rate"

_LOST = 1e-6
"""A layer norm below this share of the usual norm of a dump is no more than rounding, so it may explode without harm."""


def find_exploding(figures: Figures, limits: Limits) -> Iterator[Problem]:
    """Find dumps with a norm above `exploding_factor` times the usual one, and name the largest tensor of each.

    In the other dumps, find layers whose norm is as far above their own usual one; in the other layers, find tensors whose norm
    is, if it is also above the usual norm of the whole dump.
    """
    total = figures.dump_norms[:, None]
    whole = _explosions(total, ~np.isnan(total), limits)
    layers = _explosions(figures.layer_norms, figures.layers_there & ~np.isnan(figures.layer_norms), limits, parts=True)
    tensors = _explosions(figures.norm, figures.sound, limits, parts=True)
    in_layers = layers.steps & ~whole.steps & (figures.layer_norms > _LOST * whole.usual)
    rest = tensors.steps & ~whole.steps & ~in_layers[:, figures.layer_of] & (figures.norm > whole.usual)
    for rows, column in places(_leading(figures, whole.steps[:, 0])):
        led = _led(figures.norm[rows[0], column], total[rows[0], 0])
        yield _found(rows, column, total, whole, 0, f"the norm of the dump is {{}}, {led}", limits)
    for rows, layer in places(in_layers):
        members = np.flatnonzero(figures.layer_of == layer)
        column = int(members[figures.norm[rows[0], members].argmax()])
        led = _led(figures.norm[rows[0], column], figures.layer_norms[rows[0], layer])
        what = "the norm is {}" if len(members) == 1 else f"the norm of the layer is {{}}, {led}"
        yield _found(rows, column, figures.layer_norms, layers, layer, what, limits)
    for rows, column in places(rest):
        yield _found(rows, column, figures.norm, tensors, column, "the norm is {}", limits)


def _explosions(norms: Matrix, taken: Mask, limits: Limits, *, parts: bool = False) -> Explosions:
    return explosions(norms, taken, limits.exploding_factor, limits.exploding_dumps, parts=parts)


def _leading(figures: Figures, rows: Mask) -> Mask:
    """Mark the tensor with the largest norm in each of the dumps `rows` (dumps × tensors)."""
    found = np.zeros_like(figures.sound)
    if rows.any():
        found[rows, figures.norm[rows].argmax(axis=1)] = True
    return found


def _led(norm: float, whole: float) -> str:
    if math.isinf(whole):  # above float64, and perhaps the tensor's norm is as well
        return "the largest part of it in this tensor"
    return f"{percent(float(norm / whole) ** 2)} of its square in this tensor"


def _found(
    rows: Sequence[int], tensor: int, norms: Matrix, by: Explosions, group: int, what: str, limits: Limits
) -> Problem:
    value, worst, usual = float(norms[rows[0], group]), float(norms[rows, group].max()), float(by.usual[group])
    times = f"{value / usual:.4g} times the median {usual:.4g}{' of the dumps before' if by.stays[group] else ''}"
    most = f" (at worst {worst / usual:.4g} times)" if worst > value else ""
    return Problem(rows, value, limits.exploding_factor * usual, f"{what.format(times + most)}: {ADVICE}", tensor)
