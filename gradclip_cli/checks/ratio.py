"""Find gradients that are large, or small, for the weights that they are to change."""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.checks.base import Figures, Problem, places
from gradclip_cli.checks.limits import Limits
from gradclip_cli.text import times
from gradclip_cli.thresholds.exact_sums import group_norms
from gradclip_cli.thresholds.explosions import Explosions, explosions
from gradclip_cli.thresholds.samples import Mask, Matrix

ADVICE = "lower the learning rate of this tensor, or clip it by its weights (adaptive-clip)"
WHOLE_ADVICE = "lower the learning rate, or clip each tensor by its weights (adaptive-clip)"
LOW_ADVICE = "it hardly moves: raise its learning rate, or see what scales its gradients down"


def find_ratio(figures: Figures, limits: Limits) -> Iterator[Problem]:
    """Find tensors whose norm over that of their weights is above `ratio_factor` times that of the steps before.

    Where that is so of a whole dump, only the tensor is named whose ratio rose most. Find ratios above `ratio_max` and below
    `ratio_min`, too.
    """
    if figures.weights is None or not figures.tensors:
        return
    known = figures.sound & np.isfinite(figures.weights) & (figures.weights > 0)
    ratios = np.divide(figures.norm, figures.weights, out=np.zeros_like(figures.norm), where=known)
    total = _of_dumps(figures, figures.weights)[:, None]
    there = np.isfinite(total) & (total > 0)
    whole = explosions(total, there, limits.ratio_factor, limits.exploding_dumps)
    own = explosions(ratios, known, limits.ratio_factor, limits.exploding_dumps, parts=True)
    led = _leading(ratios, own, whole.steps[:, 0])
    for rows, column in places(led):
        yield _risen(rows, column, total[:, 0], whole.usual[:, 0], f"of the {figures.noun} ", limits)._replace(
            whole=True, advice=WHOLE_ADVICE
        )
    for rows, column in places(own.steps & ~whole.steps):
        yield _risen(rows, column, ratios[:, column], own.usual[:, column], "", limits)
    yield from _beyond(ratios, known & (ratios > limits.ratio_max), limits.ratio_max, "above", ADVICE)
    yield from _beyond(ratios, known & (ratios < limits.ratio_min), limits.ratio_min, "below", LOW_ADVICE)


def _of_dumps(figures: Figures, weights: Matrix) -> NDArray[np.float64]:
    """Return the ratio of each dump, of the gradients that have weights: 0 where it is not known."""
    paired = ~np.isnan(weights)
    norms, others = (group_norms(np.where(paired, one, 0.0), [0])[:, 0] for one in (figures.norms_as_read, weights))
    known = (others > 0) & np.isfinite(others)
    return np.divide(norms, others, out=np.zeros_like(others), where=known)


def _leading(ratios: Matrix, own: Explosions, rows: Mask) -> Mask:
    """Mark the tensor whose ratio is farthest above its usual one in each of the dumps `rows` (dumps × tensors)."""
    found = np.zeros(ratios.shape, np.bool_)
    if rows.any():
        rises = np.divide(ratios, own.usual, out=np.zeros_like(ratios), where=own.usual > 0)
        found[rows, rises[rows].argmax(axis=1)] = True
    return found


def _risen(rows: list[int], column: int, ratios: Matrix, usual: Matrix, whose: str, limits: Limits) -> Problem:
    values = ratios[rows]
    rises = values / usual[rows]
    worst = int(rises.argmax())
    most = f" (at worst {times(rises[worst])})" if rises[worst] > rises[0] else ""
    message = f"the ratio {whose}of gradients to weights is {values[0]:.4g}, {times(rises[0])} its neighbours{most}"
    brief = f"ratio {values[worst]:.4g}, {times(rises[worst])} its neighbours"
    limit = limits.ratio_factor * float(usual[rows[0]])
    found = Problem(rows, float(values[0]), limit, message, column, advice=ADVICE, worst=float(values[worst]))
    return found._replace(brief=brief)


def _beyond(ratios: Matrix, wrong: Mask, limit: float, where: str, advice: str) -> Iterator[Problem]:
    """Report ratios on the wrong side of a limit."""
    if math.isinf(limit) or not limit:
        return
    for rows, column in places(wrong):
        values = ratios[rows, column]
        worst = float(values.max() if where == "above" else values.min())
        message = f"the norm is {values[0]:.4g} times that of its weights, {where} {limit:g}"
        brief = f"ratio {worst:.4g}, {where} {limit:g}"
        found = Problem(rows, float(values[0]), limit, message, column, advice=advice, worst=worst)
        yield found._replace(brief=brief)
