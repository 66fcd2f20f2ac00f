"""Adaptive rules know their strategy, and from which step on they judge."""

import re

import pytest

from gradclip_cli.errors import UsageError
from gradclip_cli.strategies import find
from gradclip_cli.strategies.base import Norm
from gradclip_cli.thresholds.adaptive import ADAPTIVE_RULES, AdaptiveRule, own_strategy
from gradclip_cli.thresholds.rules import parse


def rule(text: str) -> AdaptiveRule:
    """The rule that a text names."""
    found = parse(text)
    assert isinstance(found, AdaptiveRule)
    return found


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("autoclip", 0),
        ("zclip", 25),
        ("zclip:max=1", 0),
        ("skip-olmo", 63),
        ("skip-olmo:6,window=20", 19),
        ("skip-maxtext:6,window=10", 4),
        ("skip-llmc", 64),
        ("skip-above:3", 0),
        ("adagc", 0),
        ("stable-spam", 0),
    ],
)
def test_the_first_steps_that_nothing_happens_to(text: str, steps: int) -> None:
    """So many steps can be neither clipped nor skipped; in AdaGC's warm-up the whole is clipped."""
    assert rule(text).warm_up == steps


def test_each_rule_has_a_strategy_of_its_own() -> None:
    """A rule that is bound goes with groups of that kind alone; any other threshold is for the global norm."""
    assert {one.name: one.own.name for one in ADAPTIVE_RULES if one.own.name != "clip-by-global-norm"} == {
        "adagc": "clip-l2-per-param-type",
        "aggc": "clip-l2-per-param-type",
        "stable-spam": "clip-elementwise-absolute-value",
    }
    assert (own_strategy(1.0).name, own_strategy(rule("adagc")).name) == (
        "clip-by-global-norm",
        "clip-l2-per-param-type",
    )
    rule("zclip").check(find("clip-l2-per-layer"), Norm(1.0, 0.5))
    rule("adagc").check(find("clip-by-norm"), Norm(1.0))


@pytest.mark.parametrize(
    ("text", "strategy", "norm", "reason"),
    [
        ("adagc", "clip-by-global-norm", None, "adagc is for clip-l2-per-param-type, not for clip-by-global-norm"),
        ("aggc", "clip-by-block-rms", None, "aggc is for clip-l2-per-param-type, not for clip-by-block-rms"),
        ("skip-olmo", "clip-by-norm", None, "skip-olmo is for clip-by-global-norm"),
        ("zclip", "agc", None, "zclip takes one norm of a step, and with adaptive-clip each unit has one"),
        ("skip-olmo", "clip-by-global-norm", Norm(2.0, 1e-6), "leave out --epsilon"),
        ("aggc", "clip-by-norm", Norm(1.0), "leave out --norm-type"),
    ],
)
def test_what_a_rule_does_not_go_with(text: str, strategy: str, norm: Norm | None, reason: str) -> None:
    """Another kind of group, an epsilon, or a norm that cannot be joined is wrong usage."""
    with pytest.raises(UsageError, match=re.escape(reason)):
        rule(text).check(find(strategy), norm)
