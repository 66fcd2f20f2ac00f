"""What if: figures of what strategies and thresholds that were named would do to the dumps of a series."""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from gradclip_cli.choosing.effects import Effect, Matrix, compared_by, effect_of, length
from gradclip_cli.choosing.samples import Sample
from gradclip_cli.choosing.schedules import replayed
from gradclip_cli.errors import InputError
from gradclip_cli.plan.stats import Trial
from gradclip_cli.reports import Tried
from gradclip_cli.strategies import Group
from gradclip_cli.text import count
from gradclip_cli.thresholds import Replay, Rule, choose, require
from gradclip_cli.thresholds.summary import Samples

MOST = 3
"""So many layers are named."""

UNKNOWN = "give a number to see energy and cosine: that of a rule is known only once all is read"


def tried(one: Trial, samples: Sequence[Sample], layers: Sequence[str], starts: Sequence[int], epsilon: float) -> Tried:
    """Say what a strategy would do; the tensors of each of the `layers` begin at `starts`, which has one more at the end."""
    compared = compared_by(one.strategy, samples)
    rule = str(one.threshold) if isinstance(one.threshold, Rule | Replay) else None
    try:
        threshold = _threshold(one, compared)
    except InputError as error:
        return Tried(one.strategy.name, rule, None, *(None,) * 5, {}, error.message)
    effect = effect_of(one, math.inf if threshold is None else threshold, compared, samples, epsilon)
    factors, cosines = effect.factors[effect.finite], list(_cosines(effect))
    return Tried(
        one.strategy.name,
        rule,
        threshold if isinstance(threshold, float) else None,
        _mean((factors != 1).tolist()),
        _mean(factors.tolist()),
        _lost_energy(effect),
        _mean(cosines),
        min(cosines, default=None),
        {} if one.strategy.group in (Group.DUMP, Group.NONE) else _most_clipped(one, effect, layers, starts),
        _note(effect, isinstance(threshold, np.ndarray)),
    )


def _threshold(one: Trial, compared: Matrix) -> float | Matrix | None:
    if not isinstance(one.threshold, Rule | Replay):
        return one.threshold
    samples = Samples(compared, max(1, compared.shape[1]))
    if isinstance(one.threshold, Rule):
        return choose(one.threshold, samples, one.strategy.name)
    require(one.threshold, samples, one.strategy.name)
    return replayed(one.threshold, compared)


def _mean(values: Sequence[float]) -> float | None:
    """Return the mean, scaled by a power of two so that the sum stays in the range of float64."""
    _, scale = math.frexp(max(values, default=0.0))
    return math.ldexp(math.fsum(math.ldexp(value, -scale) for value in values) / len(values), scale) if values else None


def _lost_energy(effect: Effect) -> float | None:
    """Return 1 - Σ after² / Σ before² over the groups that are finite."""
    if effect.after is None or not effect.finite.any():
        return None
    before, after = length(effect.before[effect.finite]), length(effect.after[effect.finite])
    ratio = after / before if before else 1.0
    return 1.0 - ratio * ratio


def _cosines(effect: Effect) -> Iterator[float]:
    """Yield the cosine between before and after of each step that is finite and not zero: Σ b a cos / (|b| |a|)."""
    if effect.after is None or effect.cosines is None:
        return
    for finite, before, after, cosines in zip(effect.finite, effect.before, effect.after, effect.cosines, strict=True):
        if finite.all() and before.any() and after.any():
            b, a = before / before.max(), after / after.max()
            dot, square = math.fsum((b * a * cosines).tolist()), math.fsum((a * a).tolist())
            yield min(1.0, dot / square * (length(a) / length(b)))


def _most_clipped(one: Trial, effect: Effect, layers: Sequence[str], starts: Sequence[int]) -> dict[str, float]:
    """Return the layers that are clipped in the largest share of their finite steps, the first ones where shares are equal."""
    bounds = pairwise(starts) if one.strategy.group is not Group.LAYER else pairwise(range(len(layers) + 1))
    clipped = (effect.factors != 1) & effect.finite
    found = {}
    for layer, (first, last) in zip(layers, bounds, strict=True):
        steps = int(effect.finite[:, first:last].any(axis=1).sum())
        found[layer] = int(clipped[:, first:last].any(axis=1).sum()) / steps if steps else 0.0
    most = sorted(found, key=lambda layer: -found[layer])[:MOST]
    return {layer: found[layer] for layer in most if found[layer]}


def _note(effect: Effect, stepwise: bool) -> str | None:
    notes = ["each step has its own threshold"] if stepwise else []
    notes += [UNKNOWN] if effect.after is None else []
    if left := int(np.count_nonzero(~effect.finite.all(axis=1))):
        notes.append(f"NaN and infinities left out of {count(left, 'step')}")
    return "; ".join(notes) or None
