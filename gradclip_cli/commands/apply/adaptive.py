"""Adaptive rules in `apply`: give every group of every dump the threshold of its own step."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gradclip_cli.commands.apply.groups import NormGroup, rule_norms
from gradclip_cli.commands.apply.plan import ApplyPlan
from gradclip_cli.notes import Note
from gradclip_cli.strategies import Group, Strategy
from gradclip_cli.strategies.actions import SKIPPED, UNCHANGED, Scale
from gradclip_cli.text import plural
from gradclip_cli.thresholds.adaptive import AdaptiveRule
from gradclip_cli.thresholds.base import require
from gradclip_cli.thresholds.replays import Replay, replay
from gradclip_cli.thresholds.samples import NormSamples

Use = tuple[Strategy, AdaptiveRule]
"""An adaptive rule, and the strategy that uses its thresholds."""


class _Place(NamedTuple):
    """One entry in the history of a group: the index of its dump, its index there, and the norm that the rule takes."""

    dump: int
    group: int
    norm: float


Histories = dict[tuple[object, ...], list[_Place]]
"""The norms of each group, by its key, in the order of the dumps that contain it."""


def resolve_adaptive(
    plan: ApplyPlan,
    partitions: Sequence[list[NormGroup]],
    paths: Sequence[str] = (),
    whole: Sequence[float] = (),
) -> tuple[list[list[NormGroup]], list[Note]]:
    """Replace each adaptive rule by the threshold of its step; return the groups of each dump, and notes for the user.

    `partitions` holds the groups of each dump, in the order of steps, `paths` the files to name in errors, and `whole` the norms
    of whole dumps. A group's history covers the dumps that contain it. Raises InputError where a rule has no finite norm at all.
    """
    settled, notes = [list(groups) for groups in partitions], list[Note]()
    for (strategy, rule), histories in _histories(plan, partitions).items():
        samples = NormSamples(place.norm for places in histories.values() for place in places)
        require(rule, samples, strategy.name, next(iter(paths), None))
        found = _replayed(rule, histories, whole, len(partitions))
        for column, places in enumerate(histories.values()):
            for place in places:
                shared = settled[place.dump][place.group]
                settled[place.dump][place.group] = _settled(shared, found, place.dump, column)
        notes += _notes(plan, (strategy, rule), histories, found.vanished)
    return settled, notes


def _replayed(rule: AdaptiveRule, histories: Histories, whole: Sequence[float], dumps: int) -> Replay:
    """Replay a rule over the norms of groups, dumps × groups."""
    norms, present = np.zeros((dumps, len(histories))), np.zeros((dumps, len(histories)), np.bool_)
    for column, places in enumerate(histories.values()):
        rows = [place.dump for place in places]
        norms[rows, column] = [place.norm for place in places]
        present[rows, column] = True
    return replay(rule, norms, present, np.array(whole), [str(key[1]) for key in histories] if rule.joins else ())


def _settled(shared: NormGroup, found: Replay, dump: int, column: int) -> NormGroup:
    """Return a group with the threshold of its step and, where the rule has one of its own, what is done to it."""
    shared = shared._replace(threshold=found.thresholds.item(dump, column))
    if found.numerators is None or found.denominators is None:
        return shared
    if found.skipped[dump, column]:
        return shared._replace(action=SKIPPED)
    ratio = found.numerators.item(dump, column), found.denominators.item(dump, column)
    return shared._replace(action=UNCHANGED if ratio[0] == ratio[1] else Scale(*ratio))


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
    if steps <= (rule.warm_up or rule.needs_two):
        each = "" if strategy.group is Group.DUMP else " for each " + _GROUPS[strategy.group]
        few = "only one norm" if steps == 1 else f"only {steps} norms"
        verbs = ("skip nothing", "skipped") if rule.skips else ("clip nothing", "clipped")
        first = f"and the first {rule.warm_up} {verbs[0]}, so nothing will be {verbs[1]}"
        end = first if rule.warm_up else plan.with_single_norm(strategy)
        notes.append(Note("few-norms", f"-t {rule}: {strategy.name} has {few}{each} here, {end}"))
    if vanished:
        left = plural(vanished, "norm")
        what = f"not clipped, since the threshold of {strategy.name} would be 0: {left} above 0"
        notes.append(Note("threshold-0", f"-t {rule}: {what}"))
    return notes


_GROUPS = {Group.LAYER: "layer", Group.TENSOR: "tensor", Group.ELEMENT: "tensor"}
