"""Find gradients that vanish on their way back to the first layers."""

import re
from collections.abc import Iterator

import numpy as np

from gradclip_cli.checks.base import Figures, Problem, places
from gradclip_cli.checks.limits import Limits
from gradclip_cli.text import printable
from gradclip_cli.thresholds.explosions import explosions
from gradclip_cli.thresholds.levels import medians
from gradclip_cli.thresholds.samples import Mask

ADVICE = "use a normalisation, skip connections or another activation, or look at the initial weights"


def find_vanishing(figures: Figures, limits: Limits) -> Iterator[Problem]:
    """Find tensors with a tiny mean |g| of the non-zero values, and stacks whose first layer has a tiny norm beside the last."""
    yield from _tiny(figures, limits.vanishing_mean)
    yield from find_fading(figures, limits)


def find_fading(figures: Figures, limits: Limits) -> Iterator[Problem]:
    """Find stacks whose first layer has a tiny norm beside the last, which takes no more than the norms of layers."""
    usual = _usual(figures, limits)
    for stack in _stacks(figures.layers):
        yield from _fading(figures, stack, usual, limits.vanishing_ratio)


def _tiny(figures: Figures, limit: float) -> Iterator[Problem]:
    judged = figures.sound & (figures.nonzero > 0)
    means = np.divide(figures.mass, figures.nonzero, out=np.zeros_like(figures.mass), where=judged)
    tiny = judged & (means < limit)
    tiny &= ~_beside_a_larger(figures, judged & ~tiny)
    for rows, column in places(tiny):
        mean, worst = float(means[rows[0], column]), float(means[rows, column].min())
        message = f"mean |g| of the non-zero values is {mean:.4g}"
        brief = f"mean |g| {worst:.2g} (limit {limit:g})"
        yield Problem(rows, mean, limit, message, column, advice=ADVICE, worst=worst, brief=brief)


def _beside_a_larger(figures: Figures, healthy: Mask) -> Mask:
    """Mark tensors whose layer has a healthy tensor with more elements (dumps × tensors).

    The gradient of a bias before a normalisation or a softmax is 0 except for rounding, which is not a problem.
    """
    largest = np.zeros((len(figures.layers), len(figures.dumps)))
    np.maximum.at(largest, figures.layer_of, np.where(healthy, figures.elements, 0).T)
    found: Mask = figures.elements < largest[figures.layer_of].T
    return found


def _stacks(layers: list[str]) -> list[list[int]]:
    """Group layers (indices) whose names differ only in numbers, in natural order; if there are none, group all layers.

    The natural order of names without numbers is only a guess at the order in the network.
    """
    found: dict[str, list[int]] = {}
    for k, layer in enumerate(layers):
        found.setdefault(re.sub(r"_?\d+", "", layer), []).append(k)
    stacks = [stack for stack in found.values() if len(stack) > 1]
    return stacks or [list(range(len(layers)))]


def _usual(figures: Figures, limits: Limits) -> Mask:
    """Mark layers that neither explode nor are usually 0 (dumps × layers): beside an exploding one, any other is tiny."""
    norms, there = figures.layer_norms, figures.layers_there & np.isfinite(figures.layer_norms)
    high = explosions(norms, there, limits.exploding_factor, limits.exploding_dumps)
    found: Mask = ~high.steps & (medians(np.where(there, norms, np.nan)) > 0)
    return found


def _fading(figures: Figures, stack: list[int], usual: Mask, limit: float) -> Iterator[Problem]:
    """Compare the first and the last layer of a stack among those with a norm that is finite and not 0."""
    first: dict[int, list[tuple[int, float, str]]] = {}
    for row, norms in enumerate(figures.layer_norms[:, stack]):
        there = [k for k, norm in zip(stack, norms.tolist(), strict=True) if norm > 0]
        if len(there) > 1:
            low, high = (float(figures.layer_norms[row, k]) for k in (there[0], there[-1]))
            if low / high < limit and usual[row, there[-1]]:
                first.setdefault(there[0], []).append((row, low / high, figures.layers[there[-1]]))
    for layer, dumps in first.items():
        _, ratio, last = dumps[0]
        message = f"its norm is {ratio:.4g} of that of {printable(last)}, the last layer"
        worst = min(ratio for _, ratio, _ in dumps)
        found = Problem([row for row, *_ in dumps], ratio, limit, message, layer=figures.layers[layer], advice=ADVICE)
        yield found._replace(worst=worst, brief=f"norm {worst:.2g} of the last layer's (limit {limit:g})")
