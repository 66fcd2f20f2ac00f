"""Group the tensors that share a norm, and compute that norm."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.commands.apply.plan import ApplyPlan
from gradclip_cli.commands.apply.units import GroupUnits, group_units
from gradclip_cli.engine.measure import NormTypes
from gradclip_cli.engine.survey import MeasuredDump
from gradclip_cli.engine.weights import Beside, Weights
from gradclip_cli.numerics.statistics_table import StatsTable
from gradclip_cli.strategies import Group, Strategy
from gradclip_cli.strategies.actions import Action
from gradclip_cli.strategies.builtin import NONE
from gradclip_cli.thresholds.rules import Threshold


class NormGroup(NamedTuple):
    """Tensors (indices into a dump) that share one norm, with the strategy and the threshold of their layers.

    The strategy compares `norm`, which covers the finite elements only, with its threshold; `as_read` is that norm, but NaN
    or infinite where an element is.
    """

    strategy: Strategy
    threshold: Threshold | None
    members: Sequence[int]
    norm: float
    as_read: float
    finite: bool
    key: tuple[object, ...]  # the same in every dump
    scale: float = 1.0  # the loss scale of the stored elements, by which norms are divided
    action: Action | None = None  # where an adaptive rule has one of its own
    units: GroupUnits | None = None  # of one tensor, if each of them has a norm of its own


def rule_norms(groups: Sequence[NormGroup], plan: ApplyPlan) -> Sequence[NDArray[np.float64]]:
    """Return the norms that a rule takes, one or more a group: as read, so that what is not finite counts as little as in `stats`.

    Where none is finite and the plan replaces such elements by zero, they are the norms of what is left.
    """
    if any(group.units is not None for group in groups):
        return _unit_norms(groups, plan)
    found = np.array([group.as_read for group in groups])
    if plan.nonfinite == "zero" and not np.isfinite(found).any():
        found = np.array([group.norm for group in groups])
    return np.split(found, len(found)) if len(found) else []


def _unit_norms(groups: Sequence[NormGroup], plan: ApplyPlan) -> Sequence[NDArray[np.float64]]:
    """Return the same for groups of units: those of a strategy are all of the same kind."""
    every = [group.units for group in groups if group.units is not None]
    found = [one.compared(finite=False) for one in every]
    if plan.nonfinite == "zero" and not any(np.isfinite(norms).any() for norms in found):
        return [one.compared(finite=True) for one in every]
    return found


def whole_norms(plan: ApplyPlan, dumps: Sequence[MeasuredDump]) -> list[float]:
    """Return the norm of each whole dump as it was read, which some adaptive rules need beside those of groups."""
    if not plan.has_adaptive:
        return []
    totals = [dump.stats.total(plan.norm_types) for dump in dumps]
    return [total.as_read(total.norm(0, plan.norm_types[0])) for total in totals]


def norm_groups(dump: MeasuredDump, plan: ApplyPlan, weights: Weights | None = None) -> list[NormGroup]:
    """Return the groups of a dump; each floating-point tensor that is selected is in one."""
    members, kinds = _members(dump, plan)
    types = plan.norm_types
    stats = dump.stats.merge_groups(list(members.values()), types)
    strategies = [strategy for strategy, _ in kinds.values()]
    single = [strategy.group is Group.ELEMENT for strategy in strategies]
    norms = np.where(single, stats.max_abs, compared_norms(stats, strategies, types))
    figures = zip(norms.tolist(), stats.as_read(norms).tolist(), (stats.nonfinite == 0).tolist(), strict=True)
    found = [
        NormGroup(*kinds[key], indices, *own, key, stats.scale)
        for (key, indices), own in zip(members.items(), figures, strict=True)
    ]
    if not plan.has_units:
        return found
    beside = weights.beside(dump) if weights is not None else None
    return [_in_units(one, dump, plan, beside) if one.strategy.group is Group.UNIT else one for one in found]


def _in_units(group: NormGroup, dump: MeasuredDump, plan: ApplyPlan, beside: Beside | None) -> NormGroup:
    """Return a group with its units; one that lacks the weight which its strategy takes is left as it is."""
    units = group_units(group.strategy, dump, group.members, plan, beside)
    return group._replace(strategy=NONE, threshold=None) if units is None else group._replace(units=units)


Key = tuple[object, ...]
Kinds = dict[Key, tuple[Strategy, "Threshold | None"]]


def _members(dump: MeasuredDump, plan: ApplyPlan) -> tuple[Mapping[Key, Sequence[int]], Kinds]:
    """Return the tensors of each group, by its key, and its strategy and threshold."""
    every = plan.of_layer("")
    if not plan.overrides and every[0].group is Group.DUMP:  # what holds for one layer holds for all
        key = _key(Group.DUMP, every[1], "", "")
        return ({key: dump.stats.indices}, {key: every}) if len(dump.stats) else ({}, {})
    members: dict[Key, list[int]] = {}
    kinds: Kinds = {}
    for layer, indices in dump.layers.items():
        strategy, threshold = plan.of_layer(layer)
        for index in indices:
            key = _key(strategy.group, threshold, layer, dump.name_of(index))
            kinds[key] = strategy, threshold
            members.setdefault(key, []).append(index)
    return members, kinds


def group_norms(stats: StatsTable, strategies: Sequence[Strategy], types: NormTypes) -> NDArray[np.float64]:
    """Return the norm of each row, float64, in the norm type of its strategy."""
    found = stats.norms(0, types[0])
    if len(types) == 1:
        return found
    return np.where([strategy.takes_norm for strategy in strategies], found, stats.norms(1, types[1]))


def compared_norms(stats: StatsTable, strategies: Sequence[Strategy], types: NormTypes) -> NDArray[np.float64]:
    """Return the norm of each row as its strategy compares it: some divide it by the root of the number of elements."""
    found = group_norms(stats, strategies, types)
    if not any(strategy.of_mean for strategy in strategies):
        return found
    means = found / np.sqrt(np.maximum(stats.elements, 1))
    return np.where([strategy.of_mean for strategy in strategies], means, found)


def _key(group: Group, threshold: Threshold | None, layer: str, name: str) -> Key:
    if group is Group.DUMP:
        return group, threshold
    return (group, layer) if group is Group.LAYER else (group, name)
