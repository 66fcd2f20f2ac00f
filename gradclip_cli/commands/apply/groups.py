"""From numbers to a rule: which tensors share a norm, what they are compared with, and what is done to them."""

import math
import sys
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.commands.apply.plan import ApplyPlan
from gradclip_cli.engine.measure import NormTypes
from gradclip_cli.engine.survey import Dump
from gradclip_cli.errors import InputError
from gradclip_cli.numerics.statistics_table import StatsTable
from gradclip_cli.strategies import Group, Strategy
from gradclip_cli.strategies.actions import KEEP, Action, Clamp, Cleaned
from gradclip_cli.thresholds import Replay, Rule, Threshold, choose
from gradclip_cli.thresholds.summary import Samples


class Shared(NamedTuple):
    """Tensors (indices into a dump) that share one norm, with the strategy and the threshold of their layers.

    `norm` is what the strategy compares with its threshold, over the finite elements; `as_read` is NaN or infinite where
    an element is.
    """

    strategy: Strategy
    threshold: Threshold | None
    members: Sequence[int]
    norm: float
    as_read: float
    finite: bool
    key: tuple[object, ...]  # the same in every dump

    def sample(self, plan: ApplyPlan) -> float:
        """The norm as a rule takes it: not finite where an element is not, unless those are to be replaced by zero."""
        return self.norm if plan.nonfinite == "zero" else self.as_read


def partition(dump: Dump, plan: ApplyPlan) -> list[Shared]:
    """Put every tensor that counts into its group."""
    members: dict[tuple[object, ...], list[int]] = {}
    kinds: dict[tuple[object, ...], tuple[Strategy, Threshold | None]] = {}
    for layer, indices in dump.layers.items():
        strategy, threshold = plan.of_layer(layer)
        for index in indices:
            key = _key(strategy.group, threshold, layer, dump.tensors[index].name)
            kinds[key] = strategy, threshold
            members.setdefault(key, []).append(index)
    types = plan.norm_types
    stats = dump.stats.merge_groups(list(members.values()), types)
    strategies = [strategy for strategy, _ in kinds.values()]
    single = [strategy.group is Group.ELEMENT for strategy in strategies]
    norms = np.where(single, stats.max_abs, norms_of(stats, strategies, types))
    figures = zip(norms.tolist(), stats.as_read(norms).tolist(), (stats.nonfinite == 0).tolist(), strict=True)
    return [
        Shared(*kinds[key], indices, *found, key)
        for (key, indices), found in zip(members.items(), figures, strict=True)
    ]


def norms_of(stats: StatsTable, strategies: Sequence[Strategy], types: NormTypes) -> NDArray[np.float64]:
    """Return the norms of rows, each of the type that its strategy takes."""
    found = stats.norms(0, types[0])
    if len(types) == 1:
        return found
    return np.where([strategy.takes_norm for strategy in strategies], found, stats.norms(1, types[1]))


def _key(group: Group, threshold: Threshold | None, layer: str, name: str) -> tuple[object, ...]:
    if group is Group.DUMP:
        return group, threshold
    return (group, layer) if group is Group.LAYER else (group, name)


Chosen = dict[tuple[str, Rule | Replay], float]
"""The threshold of each rule in use, by the strategy's name and the rule; those of a replay stand in the groups themselves."""


def resolve(plan: ApplyPlan, partitions: Sequence[list[Shared]], paths: Sequence[str] = ()) -> tuple[Chosen, list[str]]:
    """Choose the thresholds of rules over the norms that are compared with them in all dumps; note what is odd about them.

    `paths` are those of the dumps.
    """
    first: dict[tuple[Strategy, Rule], str] = {}
    samples: dict[tuple[Strategy, Rule], list[float]] = {}
    if not any(partitions) and isinstance(plan.threshold, Rule):
        samples[plan.strategy, plan.threshold] = []  # none to choose from is an error, whatever would be done with it
    for path, shared in ((path, one) for groups, path in zip_longest(partitions, paths) for one in groups):
        if isinstance(shared.threshold, Rule):
            key = shared.strategy, shared.threshold
            first.setdefault(key, path)
            samples.setdefault(key, []).append(shared.sample(plan))
    chosen: Chosen = {
        (s.name, rule): choose(rule, Samples(values), s.name, first.get((s, rule)))
        for (s, rule), values in samples.items()
    }
    notes = [
        f"-t {rule}: {strategy.name} has only one norm here, {plan.of_itself(strategy)}"
        for (strategy, rule), values in samples.items()
        if len(values) == 1
    ]
    return chosen, notes


class Decision(NamedTuple):
    """What is done to one tensor, and why."""

    strategy: Strategy
    threshold: float | None
    action: Action


def decide(plan: ApplyPlan, groups: Sequence[Shared], chosen: Chosen) -> Iterator[tuple[Shared, Decision]]:
    """Turn every group's norm into an action."""
    for shared in groups:
        threshold = shared.threshold
        if isinstance(threshold, Rule | Replay):
            threshold = chosen[shared.strategy.name, threshold]
        yield shared, Decision(shared.strategy, threshold, _action(plan, shared, threshold))


def _action(plan: ApplyPlan, shared: Shared, threshold: float | None) -> Action:
    norm = shared.norm
    if math.isinf(norm):
        raise InputError(
            f"the norm of {shared.strategy.group.value} is above {sys.float_info.max:.2g}, the largest float64"
        )
    limit = math.inf if threshold is None else threshold
    epsilon = plan.norm.epsilon if plan.norm and shared.strategy.takes_norm else 0.0
    if shared.finite:
        return shared.strategy.decide(norm, limit, epsilon)
    if plan.nonfinite == "zero":
        return Cleaned(shared.strategy.decide(norm, limit, epsilon))
    if plan.nonfinite == "skip":
        return Clamp(limit, keep_infinite=True) if shared.strategy.group is Group.ELEMENT else KEEP
    return shared.strategy.decide(shared.as_read, limit, epsilon)
