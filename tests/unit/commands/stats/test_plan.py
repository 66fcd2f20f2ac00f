"""A plan for `stats` that contradicts itself cannot be made."""

from typing import Any

import pytest

from gradclip_cli.commands.stats.plan import StatsPlan
from gradclip_cli.errors import UsageError
from gradclip_cli.inputs.layouts.single import single
from gradclip_cli.strategies import STRATEGIES, Group, find
from gradclip_cli.strategies.base import Norm
from gradclip_cli.thresholds.rules import RULES

CLIP, VALUE, NONE, RENORM = (
    find(name) for name in ("clip-l2-per-layer", "clip-by-value", "none", "renormalize-l2-per-layer")
)


def test_stats_suggests_for_every_strategy_with_a_threshold() -> None:
    """Without -s there is a suggestion for each strategy that compares norms of groups, with -s for that one."""
    assert StatsPlan((single("a"),)).strategies == tuple(
        strategy
        for strategy in STRATEGIES
        if strategy.takes_threshold and not strategy.of_mean and strategy.group is not Group.UNIT
    )
    assert StatsPlan((single("a"),), CLIP).strategies == (CLIP,)
    assert find("clip-by-block-rms") in StatsPlan((single("a"),), every=True).strategies
    assert StatsPlan((single("a"),)).rule is RULES[0]


@pytest.mark.parametrize(
    ("rest", "reason"),
    [
        ({"strategy": NONE}, "no threshold to suggest; `gradclip strategies` says"),
        ({"strategy": RENORM}, "no threshold to suggest; `gradclip strategies` says"),
        ({"strategy": VALUE, "norm": Norm(1.0)}, "neither --norm-type nor --epsilon"),
        ({"skip_steps": -1}, "at least 0"),
    ],
)
def test_stats_plans_that_contradict_themselves(rest: dict[str, Any], reason: str) -> None:
    """A strategy without threshold, a norm that is not used and a negative number of steps are wrong usage."""
    with pytest.raises(UsageError, match=reason):
        StatsPlan((single("a"),), **rest)
