"""Find norms far above those of their neighbours, the steps before them."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from gradclip_cli.checks.base import Figures, Problem, percent, places
from gradclip_cli.checks.limits import Limits
from gradclip_cli.text import printable, times
from gradclip_cli.thresholds.explosions import Explosions, explosions
from gradclip_cli.thresholds.levels import medians
from gradclip_cli.thresholds.rises import Rise, first_rises
from gradclip_cli.thresholds.samples import Mask, Matrix

ADVICE = "clip the gradients, or lower the learning rate"

_HIGH = 2.0
"""Layers must hold a share of a dump's norm to matter, or of so many times its usual norm where many rise at once."""

_MOST = 3
"""The most blocks that a message names."""


class _Judged(NamedTuple):
    """Norms (dumps × groups), and which of them explode."""

    norms: Matrix
    by: Explosions


def find_exploding(figures: Figures, limits: Limits) -> Iterator[Problem]:
    """Find dumps with a norm above `exploding_factor` times that of their neighbours, and name the largest tensor of each.

    In the other dumps, find layers whose norm is as far above their own neighbours, if it is a part of the dump that matters; in
    the other layers, find tensors whose norm is, if it is also above the usual norm of the whole dump.
    """
    total = figures.dump_norms[:, None]
    whole = _judge(total, ~np.isnan(total), limits)
    layers = _judge(figures.layer_norms, figures.layers_there & ~np.isnan(figures.layer_norms), limits, parts=True)
    tensors = _judge(figures.norm, figures.sound, limits, parts=True)
    usual = np.where(whole.by.usual > 0, whole.by.usual, medians(total))
    least = math.sqrt(figures.relevant) * np.fmin(total, _HIGH * usual)
    in_layers = layers.by.steps & ~whole.by.steps & ~(figures.layer_norms < least)
    rest = tensors.by.steps & ~whole.by.steps & ~in_layers[:, figures.layer_of] & ~(figures.norm <= usual)
    yield from _dumps(figures, whole, limits)
    for rows, layer in places(in_layers):
        members = np.flatnonzero(figures.layer_of == layer)
        column = int(members[figures.norm[rows[0], members].argmax()])
        led = _led(figures.norm[rows[0], column], figures.layer_norms[rows[0], layer])
        what, led = ("the norm is", "") if len(members) == 1 else ("the norm of the layer is", f", {led}")
        yield _found(rows, column, layers, layer, (what, led), limits)
    for rows, column in places(rest):
        yield _found(rows, column, tensors, column, ("the norm is", ""), limits)


def _judge(norms: Matrix, taken: Mask, limits: Limits, *, parts: bool = False) -> _Judged:
    return _Judged(norms, explosions(norms, taken, limits.exploding_factor, limits.exploding_dumps, parts=parts))


def _dumps(figures: Figures, whole: _Judged, limits: Limits) -> Iterator[Problem]:
    """Report dumps that explode, by the largest tensor of each, and say what rose first."""
    what = f"the norm of the {figures.noun} is"
    if not figures.tensors:  # a log of nothing but the norms of steps
        rows = np.flatnonzero(whole.by.steps[:, 0]).tolist()
        yield from (_found(rows, None, whole, 0, (what, ""), limits)._replace(whole=True) for _ in rows[:1])
        return
    found = places(_leading(figures, whole.by.steps[:, 0]))
    first = first_rises(figures.blocks, [rows[0] for rows, _ in found]) if found else []
    for (rows, column), rise in zip(found, first, strict=True):
        led = f", {_led(figures.norm[rows[0], column], whole.norms[rows[0], 0])}{_first(figures, rows[0], rise)}"
        yield _found(rows, column, whole, 0, (what, led), limits)._replace(whole=True)


def _leading(figures: Figures, rows: Mask) -> Mask:
    """Mark the tensor with the largest norm in each of the dumps `rows` (dumps × tensors)."""
    found = np.zeros_like(figures.sound)
    if rows.any():
        found[rows, figures.norm[rows].argmax(axis=1)] = True
    return found


def _led(norm: float, whole: float) -> str:
    if math.isinf(whole) or norm > whole:  # above float64, or of a log that says so
        return "the largest part of it in this tensor"
    return f"{percent(float(norm / whole) ** 2)} of its square in this tensor"


def _first(figures: Figures, row: int, rise: Rise) -> str:
    """Say which blocks rose first, and when; nothing where there is only one."""
    if len(figures.blocks.groups) < 2:
        return ""
    if rise.together:
        return "; all blocks rise together"
    names = [printable(str(figures.blocks.groups[column])) for column in rise.columns]
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    when = "" if rise.row == row else f" at {figures.dumps[rise.row]}"
    bad = math.isnan(figures.blocks.norms[rise.row, rise.columns[0]])
    high = "not finite" if bad else times(rise.times[0])
    return f"; first {', '.join(names[:_MOST])}{more}{when} ({high})"


def _found(
    rows: Sequence[int], tensor: int | None, judged: _Judged, group: int, words: tuple[str, str], limits: Limits
) -> Problem:
    """Report a group that explodes in some rows; `words` stand before and after the figures of the first of them."""
    norms, usual = judged.norms[rows, group], judged.by.usual[rows, group]
    with np.errstate(over="ignore"):
        ratios = norms / usual
    worst = int(ratios.argmax())
    most = f" (at worst {times(ratios[worst])})" if ratios[worst] > ratios[0] else ""
    message = f"{words[0]} {norms[0]:.4g}, {times(ratios[0])} its neighbours{most}{words[1]}"
    limit = limits.exploding_factor * float(usual[0])
    found = Problem(rows, float(norms[0]), limit, message, tensor, advice=ADVICE, worst=float(norms[worst]))
    return found._replace(brief=f"norm {norms[worst]:.4g}, {times(ratios[worst])} its neighbours")
