"""Gradients that fade away on their way to the first layers."""

import re
from collections.abc import Iterator

import numpy as np

from gradclip_cli.checks.base import Figures, Problem, places
from gradclip_cli.checks.limits import Limits
from gradclip_cli.text import printable
from gradclip_cli.thresholds.explosions import explosions
from gradclip_cli.thresholds.samples import Mask, Matrix

ADVICE = "use a normalisation, skip connections or another activation, or look at the initial weights"


def find_vanishing(figures: Figures, limits: Limits) -> Iterator[Problem]:
    """Find tensors with a tiny mean |g| (of what is not 0), and stacks of layers whose first norm is tiny beside the last."""
    yield from _tiny(figures, limits.vanishing_mean)
    usual = _usual(figures, limits)
    for stack in _stacks(figures.layers):
        yield from _fading(figures, stack, usual, limits.vanishing_ratio)


def _tiny(figures: Figures, limit: float) -> Iterator[Problem]:
    judged = figures.sound & (figures.nonzero > 0)
    means = np.divide(figures.mass, figures.nonzero, out=np.zeros_like(figures.mass), where=judged)
    tiny = judged & (means < limit)
    tiny &= ~_beside_a_larger(figures, judged & ~tiny)
    for rows, column in places(tiny):
        mean = float(means[rows[0], column])
        yield Problem(rows, mean, limit, f"mean |g| of the non-zero values is {mean:.4g}: {ADVICE}", column)


def _beside_a_larger(figures: Figures, healthy: Mask) -> Mask:
    """Which tensors have a healthy one of more elements in their layer.

    The gradient of a bias in front of a normalisation or a softmax is 0 but for rounding, and nothing is wrong with that.
    """
    largest: dict[str, Matrix] = {}
    for column, tensor in enumerate(figures.tensors):
        sizes = np.where(healthy[:, column], figures.elements[:, column], 0)
        largest[tensor.layer] = np.maximum(largest.get(tensor.layer, 0), sizes)
    if not largest:
        return healthy
    return np.stack([largest[tensor.layer] for tensor in figures.tensors], axis=1) > figures.elements


def _stacks(layers: list[str]) -> list[list[int]]:
    """Group layers whose names differ in numbers only, each group in natural order; if there are none, take all together.

    Where names have no numbers, their order is a guess at the order of the network.
    """
    found: dict[str, list[int]] = {}
    for k, layer in enumerate(layers):
        found.setdefault(re.sub(r"_?\d+", "", layer), []).append(k)
    stacks = [stack for stack in found.values() if len(stack) > 1]
    return stacks or [list(range(len(layers)))]


def _usual(figures: Figures, limits: Limits) -> Mask:
    """Which layers neither explode nor live among zeros: beside one that does, any other is tiny."""
    norms, there = figures.layer_norms, figures.layers_there & np.isfinite(figures.layer_norms)
    high = explosions(norms, there, limits.exploding_factor, limits.exploding_dumps)
    return ~high.steps & (high.usual > 0)


def _fading(figures: Figures, stack: list[int], usual: Mask, limit: float) -> Iterator[Problem]:
    """Compare the first layer of a stack with the last, both of those whose norm is finite and not 0."""
    first: dict[int, list[tuple[int, float, str]]] = {}
    for row, norms in enumerate(figures.layer_norms[:, stack]):
        there = [k for k, norm in zip(stack, norms.tolist(), strict=True) if norm > 0]
        if len(there) > 1:
            low, high = (float(figures.layer_norms[row, k]) for k in (there[0], there[-1]))
            if low / high < limit and usual[row, there[-1]]:
                first.setdefault(there[0], []).append((row, low / high, figures.layers[there[-1]]))
    for layer, dumps in first.items():
        _, ratio, last = dumps[0]
        message = f"its norm is {ratio:.4g} of that of {printable(last)}, the last layer: {ADVICE}"
        yield Problem([row for row, *_ in dumps], ratio, limit, message, layer=figures.layers[layer])
