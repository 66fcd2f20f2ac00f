"""Each layer's own threshold is chosen from its own norms."""

import math

import numpy as np

from gradclip_cli.choosing.advice import own_thresholds
from gradclip_cli.choosing.samples import Sample
from gradclip_cli.plan import Norm, StatsPlan
from gradclip_cli.report import OwnThreshold, StatsDump
from gradclip_cli.strategies import find
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
    assert own(StatsPlan(("a",))) == [("a", 3.0, 1 / 3), ("b", 20.0, 0.5), ("c", None, None)]


def test_the_rule_and_the_epsilon_count() -> None:
    """Another rule chooses, and an epsilon lifts norms above the threshold."""
    found = own(StatsPlan(("a",), rule=parse_rule("median"), norm=Norm(2.0, 0.5)))
    assert found[:2] == [("a", 2.0, 2 / 3), ("b", 20.0, 0.5)]


def test_only_where_layers_may_be_clipped_apart() -> None:
    """There are none if another strategy was asked for, and none of a single dump, whose norms are their own mean."""
    assert own(StatsPlan(("a",), find("clip-by-global-norm"))) == []
    assert own(StatsPlan(("a",)), STEPS[:1]) == []
