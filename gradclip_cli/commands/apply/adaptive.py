"""Adaptive rules in `apply`: give every group of every dump the threshold of its own step."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from gradclip_cli.commands.apply.groups import NormGroup, rule_norms
from gradclip_cli.commands.apply.plan import ApplyPlan
from gradclip_cli.notes import Note
from gradclip_cli.strategies import Group, Strategy
from gradclip_cli.text import plural
from gradclip_cli.thresholds.adaptive import AdaptiveRule, limit, replay
from gradclip_cli.thresholds.base import require
from gradclip_cli.thresholds.samples import NormSamples

Use = tuple[Strategy, AdaptiveRule]
"""An adaptive rule, and the strategy that uses its thresholds."""


class _Place(NamedTuple):
    """One entry in the history of a group: the index of its dump, its index there, and the norm that the rule takes."""

    dump: int
    group: int
    norm: float


Histories = dict[object, list[_Place]]
"""The norms of each group, by its key, in the order of the dumps that contain it."""


def resolve_adaptive(
    plan: ApplyPlan, partitions: Sequence[list[NormGroup]], paths: Sequence[str] = ()
) -> tuple[list[list[NormGroup]], list[Note]]:
    """Replace each adaptive rule by the threshold of its step; return the groups of each dump, and notes for the user.

    `partitions` holds the groups of each dump, in the order of steps, and `paths` the files to name in errors. A group's history
    covers the dumps that contain it. Raises InputError where a rule has no finite norm at all.
    """
    settled, notes = [list(groups) for groups in partitions], list[Note]()
    for (strategy, rule), histories in _histories(plan, partitions).items():
        samples = NormSamples(place.norm for places in histories.values() for place in places)
        require(rule, samples, strategy.name, next(iter(paths), None))
        vanished = 0
        for places in histories.values():
            thresholds = replay(rule, [place.norm for place in places])
            for place, threshold in zip(places, thresholds, strict=True):
                vanished += place.norm > 0 >= threshold
                shared = settled[place.dump][place.group]
                settled[place.dump][place.group] = shared._replace(threshold=limit(threshold))
        notes += _notes(plan, (strategy, rule), histories, vanished)
    return settled, notes


def _histories(plan: ApplyPlan, partitions: Sequence[list[NormGroup]]) -> dict[Use, Histories]:
    """Collect the norms of each group, by the strategy and the rule that take them."""
    limited: dict[Use, list[tuple[int, int, NormGroup]]] = {}
    if not any(partitions) and isinstance(plan.threshold, AdaptiveRule):
        limited[plan.strategy, plan.threshold] = []
    for dump, groups in enumerate(partitions):
        for group, shared in enumerate(groups):
            if isinstance(rule := shared.threshold, AdaptiveRule):
                limited.setdefault((shared.strategy, rule), []).append((dump, group, shared))
    return {use: _by_group(places, plan) for use, places in limited.items()}


def _by_group(places: Sequence[tuple[int, int, NormGroup]], plan: ApplyPlan) -> Histories:
    found: Histories = {}
    norms = rule_norms([shared for _, _, shared in places], plan)
    for (dump, group, shared), norm in zip(places, norms, strict=True):
        found.setdefault(shared.key, []).append(_Place(dump, group, norm.item()))
    return found


def _notes(plan: ApplyPlan, use: Use, histories: Histories, vanished: int) -> list[Note]:
    strategy, rule = use
    steps = max(sum(math.isfinite(place.norm) for place in places) for places in histories.values())
    notes = []
    if steps <= max(1, rule.warm_up):  # any percentile of one norm is that norm
        each = "" if strategy.group is Group.DUMP else " for each " + _GROUPS[strategy.group]
        few = "only one norm" if steps == 1 else f"only {steps} norms"
        first = f"and the first {rule.warm_up} clip nothing, so nothing will be clipped"
        end = first if rule.warm_up else plan.with_single_norm(strategy)
        notes.append(Note("few-norms", f"-t {rule}: {strategy.name} has {few}{each} here, {end}"))
    if vanished:
        left = plural(vanished, "norm")
        what = f"not clipped, since the threshold of {strategy.name} would be 0: {left} above 0"
        notes.append(Note("threshold-0", f"-t {rule}: {what}"))
    return notes


_GROUPS = {Group.LAYER: "layer", Group.TENSOR: "tensor", Group.ELEMENT: "tensor"}
