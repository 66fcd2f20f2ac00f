"""Replays over the groups of a series: every group of every dump gets the threshold of its own step."""

import math
from collections.abc import Sequence

from gradclip_cli.commands.apply.groups import NormGroup
from gradclip_cli.commands.apply.plan import ApplyPlan
from gradclip_cli.strategies import Group, Strategy
from gradclip_cli.text import count
from gradclip_cli.thresholds import Replay, require
from gradclip_cli.thresholds.replays import History, limit
from gradclip_cli.thresholds.summary import Samples

Use = tuple[Strategy, Replay]
"""A rule with the strategy that it is used for."""


def replayed(
    plan: ApplyPlan, partitions: Sequence[list[NormGroup]], paths: Sequence[str] = ()
) -> tuple[list[list[NormGroup]], list[str]]:
    """Put each step's threshold in the place of its replay; note what is odd about it. Partitions are in step order.

    A group's history is over the dumps that it occurs in; `paths` are theirs. Raises InputError where a rule has no finite norm at all.
    """
    norms: dict[Use, dict[object, list[float]]] = {}
    if not any(partitions) and isinstance(plan.threshold, Replay):
        norms[plan.strategy, plan.threshold] = {}
    histories: dict[object, History] = {}
    vanished: dict[Use, int] = {}
    settled = []
    for groups in partitions:
        settled.append(list(groups))
        for k, group in enumerate(groups):
            if isinstance(rule := group.threshold, Replay):
                use, norm = (group.strategy, rule), group.sample(plan)
                norms.setdefault(use, {}).setdefault(group.key, []).append(norm)
                threshold = histories.setdefault(group.key, rule.begin()).step(norm)
                vanished[use] = vanished.get(use, 0) + (norm > 0 >= threshold)
                settled[-1][k] = group._replace(threshold=limit(threshold))
    for (strategy, rule), found in norms.items():
        require(rule, Samples(norm for row in found.values() for norm in row), strategy.name, next(iter(paths), None))
    return settled, [note for use, found in norms.items() for note in _notes(plan, use, found, vanished.get(use, 0))]


def _notes(plan: ApplyPlan, use: Use, norms: dict[object, list[float]], vanished: int) -> list[str]:
    strategy, rule = use
    steps = max(sum(map(math.isfinite, row)) for row in norms.values())
    notes = []
    if steps <= max(1, rule.warm_up):  # any percentile of one norm is that norm
        each = "" if strategy.group is Group.DUMP else " for each " + _GROUPS[strategy.group]
        few = "only one norm" if steps == 1 else f"only {steps} norms"
        first = f"and the first {rule.warm_up} clip nothing, so nothing will be clipped"
        end = first if rule.warm_up else plan.of_itself(strategy)
        notes.append(f"-t {rule}: {strategy.name} has {few}{each} here, {end}")
    if vanished:
        left = count(vanished, "norm")
        notes.append(f"-t {rule}: not clipped, since the threshold of {strategy.name} would be 0: {left} above 0")
    return notes


_GROUPS = {Group.LAYER: "layer", Group.TENSOR: "tensor", Group.ELEMENT: "tensor"}
