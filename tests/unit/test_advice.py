"""Each layer's own threshold is chosen from its own norms."""

import math

import numpy as np
import pytest

from gradclip_cli.choosing.advice import own_thresholds
from gradclip_cli.choosing.samples import Sample
from gradclip_cli.plan.stats import StatsPlan
from gradclip_cli.reports import OwnThreshold, StatsDump
from gradclip_cli.strategies import find
from gradclip_cli.strategies.norm import Norm
from gradclip_cli.thresholds import parse_rule

STEPS = [[1.0, 10.0, 0.0], [2.0, math.nan, 0.0], [6.0, 30.0, 0.0]]


def own(plan: StatsPlan, steps: list[list[float]] = STEPS) -> list[OwnThreshold]:
    """The layers' thresholds, of three layers and as many steps."""
    dump = StatsDump("a", None, 1.0, 1.0, 0)
    return own_thresholds(
        plan, ["a", "b", "c"], [Sample(dump, np.array(row), np.array([]), np.array([])) for row in steps]
    )


def test_each_layer_has_its_own_threshold() -> None:
    """The mean of a layer's finite norms, and the share of its finite steps above; a layer of zeros has none."""
    assert own(StatsPlan(("a",))) == [("a", 3.0, 1 / 3, None), ("b", 20.0, 0.5, None), ("c", None, None, None)]


def test_the_rule_and_the_epsilon_count() -> None:
    """Another rule chooses, and an epsilon lifts norms above the threshold."""
    found = own(StatsPlan(("a",), rule=parse_rule("median"), norm=Norm(2.0, 0.5)))
    assert found[:2] == [("a", 2.0, 2 / 3, None), ("b", 20.0, 0.5, None)]


def test_only_where_layers_may_be_clipped_apart() -> None:
    """There are none if another strategy was asked for, and none of a single dump, whose norms are their own mean."""
    assert own(StatsPlan(("a",), find("clip-by-global-norm"))) == []
    assert own(StatsPlan(("a",)), STEPS[:1]) == []


def test_a_mean_that_is_no_guide_is_noted() -> None:
    """A layer whose mean a few norms lead, or whose norms are all alike, has a note; a rule that they do not lead has none."""
    steps = [[1.0 + k / 10, 2.0, 0.0] for k in range(9)] + [[500.0, 2.0, 0.0]]
    a, b, c = own(StatsPlan(("a",)), steps)
    assert a.note == "the mean is led by a few large norms; mad:5 would be 3.303"
    assert "already been clipped at 2" in (b.note or "")
    assert c.note is None
    assert own(StatsPlan(("a",), rule=parse_rule("median")), steps)[0].note is None


@pytest.mark.parametrize("rule", ["mean", "median"])
def test_a_layer_that_stays_exploded_is_noted(rule: str) -> None:
    """Where most steps of a layer explode, no rule over all of them is a guide; what was usual before is named."""
    steps = [[norm, 1.0, 1.0 + k / 10] for k, norm in enumerate([1.0, 2.0, 3.0, *[900.0] * 8])]
    a, _, c = own(StatsPlan(("a",), rule=parse_rule(rule)), steps)
    assert (a.note, c.note) == ("it explodes and stays up; the median before is 2", None)
