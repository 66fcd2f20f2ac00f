"""Compute what the strategies and thresholds of `--try` would do to the dumps of a series."""

import math
from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np

from gradclip_cli.commands.stats.adaptive import replay_of, skips
from gradclip_cli.commands.stats.plan import Trial
from gradclip_cli.commands.stats.ranges import step_ranges
from gradclip_cli.errors import InputError
from gradclip_cli.reports.stats_thresholds import Tried
from gradclip_cli.strategies import Group
from gradclip_cli.strategies.actions import group_factors, group_ratios
from gradclip_cli.strategies.builtin import GLOBAL
from gradclip_cli.text import plural
from gradclip_cli.thresholds.adaptive import AdaptiveRule
from gradclip_cli.thresholds.advised import auto
from gradclip_cli.thresholds.base import require
from gradclip_cli.thresholds.exact_sums import WIDE, column_sums, exact_sum
from gradclip_cli.thresholds.norm_table import GroupName, SeriesNorms
from gradclip_cli.thresholds.replays import Replay
from gradclip_cli.thresholds.rules import AutoRule, Chooser, Rule, choose
from gradclip_cli.thresholds.samples import Mask, Matrix

MOST = 3
"""The most layers that are named."""

UNKNOWN = "give a number to see energy and cosine: that of a rule is known only once all is read"


class Effect(NamedTuple):
    """The effect on each group of each step, as matrices of steps × groups: factors, and L2 norms before and after.

    What is `skipped` has the factor 0, and is not clipped; None where nothing can be. What is `limited` is clipped, where groups
    that are not have factors, too; None elsewhere.

    `finite` marks the groups that count, `nonfinite` those that are left out since they are NaN or infinite. What is absent is
    neither, and has norms of 0. `cosines` are between a group before and after. It and `after` are None where they were not
    measured.
    """

    finite: Mask
    nonfinite: Mask
    factors: Matrix
    before: Matrix
    after: Matrix | None
    cosines: Matrix | None
    skipped: Mask | None = None
    limited: Mask | None = None

    @property
    def clipped(self) -> Mask:
        """Which finite groups are clipped."""
        if self.limited is not None:
            return self.finite & self.limited
        clipped: Mask = self.finite & (self.factors != 1)
        return clipped if self.skipped is None else clipped & ~self.skipped


def what_if(one: Trial, norms: SeriesNorms, epsilon: float) -> Tried:
    """Compute what a strategy would do to a series."""
    table, rule = norms.compared(one.strategy), str(one.threshold) if isinstance(one.threshold, Chooser) else None
    try:
        chosen = auto(one.strategy, table, epsilon) if isinstance(one.threshold, AutoRule) else None
        rule = rule if chosen is None else chosen.rule
        found = _threshold(one, norms) if chosen is None else None
        threshold = found if chosen is None else chosen.threshold
    except InputError as error:
        return Tried(one.strategy.name, rule, None, *(None,) * 5, {}, error.message)
    effect = _effect(one, math.inf if threshold is None else threshold, norms, epsilon)
    skipped = (
        skips(one.threshold, effect.skipped, effect.finite, norms.steps)
        if isinstance(one.threshold, AdaptiveRule) and effect.skipped is not None
        else (None, None)
    )
    factors, cosines = effect.factors[effect.finite], _cosines(effect)
    apart = one.strategy.group not in (Group.DUMP, Group.NONE)
    return Tried(
        one.strategy.name,
        rule,
        threshold if isinstance(threshold, float) else None,
        float(np.count_nonzero(effect.clipped) / factors.size) if factors.size else None,
        _mean(factors),
        _lost_energy(effect),
        _mean(cosines),
        float(cosines.min()) if cosines.size else None,
        _most_clipped(effect, table.groups) if apart else {},
        _note(effect, one.threshold, threshold.left_text if isinstance(threshold, Replay) else ""),
        step_ranges(np.logical_or.reduce(effect.clipped, axis=1), norms.steps),
        *skipped,
    )


def _threshold(one: Trial, norms: SeriesNorms) -> float | Replay | None:
    threshold, table = one.threshold, norms.compared(one.strategy)
    if isinstance(threshold, Rule):
        return choose(threshold, table.samples, one.strategy.name)
    if isinstance(threshold, AdaptiveRule):
        require(threshold, table.samples, one.strategy.name)
        return replay_of(threshold, table, norms.compared(GLOBAL), norms.elements)
    return threshold if isinstance(threshold, float) else None


def _effect(one: Trial, threshold: float | Replay, norms: SeriesNorms, epsilon: float) -> Effect:
    """Apply a strategy to norms as it applies to gradients; `threshold` is inf where it takes none."""
    if norms.l2 is None:
        raise ValueError("nothing was measured for what is to be tried")
    own = norms.own.get(one.strategy.name)
    table, l2 = norms.compared(one.strategy), norms.l2.of(one.strategy.group) if own is None else own.before
    finite, before = table.finite & l2.finite, l2.norms
    marks = finite, table.present & ~finite
    if one.strategy.group is not Group.ELEMENT:
        if isinstance(threshold, Replay):
            numerators, denominators = threshold.ratios(one.strategy, table.norms, epsilon)
        else:
            numerators, denominators = group_ratios(one.strategy, table.norms, threshold, epsilon)
        skipped = threshold.skipped if isinstance(threshold, Replay) else None
        with np.errstate(all="ignore"):  # divide first, since the factor alone may underflow
            factors, after = numerators / denominators, before / denominators * numerators
        return Effect(*marks, factors, before, np.where(factors == 1, before, after), np.ones_like(before), skipped)
    if isinstance(threshold, Replay) and (found := threshold.limited) is not None:
        with np.errstate(all="ignore"):
            factors = found.largest / found.denominators
        return Effect(*marks, factors, before, found.after, found.cosines, None, found.clipped)
    limits = threshold.thresholds if isinstance(threshold, Replay) else threshold
    factors = group_factors(one.strategy, table.norms, limits, epsilon)
    clipped = norms.l2.clipped.get(threshold) if isinstance(threshold, float) and threshold == one.threshold else None
    return Effect(*marks, factors, before, *(clipped or (None, None)))


def _mean(values: Matrix) -> float | None:
    """Return the mean, computed from values scaled by a power of two so that their sum does not overflow."""
    if not values.size:
        return None
    _, scale = math.frexp(float(values.max()))
    if not np.isfinite(values).all():
        return math.fsum(values.tolist()) / values.size
    return math.ldexp(exact_sum(np.ldexp(values, -scale)) / values.size, scale)


def _l2_norm(values: Matrix) -> float:
    """Return the L2 norm of norms, scaled so that no square overflows; it does not depend on their order."""
    top = float(values.max(initial=0))
    return top * math.sqrt(exact_sum(values.reshape(-1), lambda part: np.square(part / top))) if top else 0.0


def _lost_energy(effect: Effect) -> float | None:
    """Return the lost share of the energy, 1 - Σ after² / Σ before², over the finite groups."""
    if effect.after is None or not effect.finite.any():
        return None
    before, after = _l2_norm(effect.before[effect.finite]), _l2_norm(effect.after[effect.finite])
    ratio = after / before if before else 1.0
    return 1.0 - ratio * ratio


def _cosines(effect: Effect) -> Matrix:
    """Return Σ b a cos / (|b| |a|), the cosine between before and after, for each step that is finite and not zero."""
    if effect.after is None or effect.cosines is None:
        return np.empty(0)
    rows = effect.before.any(axis=1) & effect.after.any(axis=1) & ~effect.nonfinite.any(axis=1)
    b, a = (one[rows] / one[rows].max(axis=1, initial=0, keepdims=True) for one in (effect.before, effect.after))
    dot, square, before = (
        column_sums(np.ascontiguousarray(one.T), wide=len(b) >= WIDE)
        for one in (b * a * effect.cosines[rows], a * a, b * b)
    )
    return np.minimum(1.0, dot / square * (np.sqrt(square) / np.sqrt(before)))


def _most_clipped(effect: Effect, groups: Sequence[GroupName]) -> dict[str, float]:
    """Return the layers clipped in the largest share of their finite steps, with the share; ties keep their order."""
    clipped = effect.clipped
    found, last = dict[str, float](), 0
    for layer, members in groupby(group.layer for group in groups):
        first, last = last, last + sum(1 for _ in members)
        steps = np.count_nonzero(effect.finite[:, first:last].any(axis=1))
        found[layer] = float(np.count_nonzero(clipped[:, first:last].any(axis=1)) / steps) if steps else 0.0
    most = sorted(found, key=lambda layer: -found[layer])[:MOST]
    return {layer: found[layer] for layer in most if found[layer]}


def _note(effect: Effect, threshold: float | Chooser | None, left: str) -> str | None:
    stepwise = isinstance(threshold, AdaptiveRule) and not threshold.skips
    notes = ["each step has its own threshold"] if stepwise else []
    notes += [left] if left else []
    notes += [UNKNOWN] if effect.after is None else []
    if broken := int(np.count_nonzero(effect.nonfinite.any(axis=1))):
        notes.append(f"NaN and infinities left out of {plural(broken, 'step')}")
    return "; ".join(notes) or None
