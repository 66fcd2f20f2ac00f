"""What is to be done to the dumps of a plan, once all of them are measured."""

from collections.abc import Sequence
from typing import NamedTuple

from gradclip_cli.commands.apply.adaptive import replayed
from gradclip_cli.commands.apply.groups import Chosen, decide, partition, resolve
from gradclip_cli.commands.apply.plan import ApplyPlan
from gradclip_cli.commands.apply.rewrite import Decided
from gradclip_cli.engine import same_tensors
from gradclip_cli.engine.survey import Dump
from gradclip_cli.refusals import check_layers, check_taken, refuse_nonfinite
from gradclip_cli.thresholds.adaptive import AdaptiveRule
from gradclip_cli.thresholds.rules import Rule


class Decisions(NamedTuple):
    """What is done to each dump, the thresholds that rules chose for it, and what is odd about those."""

    decided: list[Decided]
    chosen: Chosen
    notes: list[str]

    def threshold(self, plan: ApplyPlan) -> float | None:
        """The plan's own threshold, None where each step has another."""
        if isinstance(plan.threshold, Rule):
            return self.chosen.get((plan.strategy.name, plan.threshold))
        return None if isinstance(plan.threshold, AdaptiveRule) else plan.threshold

    def unlike(self) -> list[str]:
        """Note dumps of other shapes than the first, where one rule chose for all of them."""
        if not self.chosen:
            return []
        dumps = [one.dump for one in self.decided]
        first = same_tensors.shapes_of(dumps[0])
        return same_tensors.notes((dump.path, same_tensors.unlike(first, dump)) for dump in dumps)


def decisions(plan: ApplyPlan, dumps: Sequence[Dump]) -> Decisions:
    """Decide for all dumps, in the order of their steps; raise where the plan does not fit them."""
    check_taken(dumps, plan.selection)
    check_layers(dumps, plan.overrides)
    if plan.nonfinite == "error":
        refuse_nonfinite(dumps)
    paths = [dump.parts[0].path for dump in dumps]
    groups, notes = replayed(plan, [partition(dump, plan) for dump in dumps], paths)
    chosen, more = resolve(plan, groups, paths)
    decided = [Decided(dump, list(decide(plan, shared, chosen))) for dump, shared in zip(dumps, groups, strict=True)]
    return Decisions(decided, chosen, [*notes, *more])
