"""Adaptive rules over groups, each with the history of the steps that have it."""

import math

import numpy as np

from gradclip_cli.strategies.builtin import CLIP_PER_LAYER
from gradclip_cli.thresholds.adaptive import AdaptiveRule
from gradclip_cli.thresholds.replays import Replay, replay
from gradclip_cli.thresholds.rules import parse_rule

NORMS = np.array([[2.0, 0.0], [0.0, 1.0], [4.0, 3.0], [math.nan, 2.0]])
PRESENT = np.array([[True, False], [False, True], [True, True], [True, True]])


def replayed(text: str) -> Replay:
    """The rule over two groups that not every step has."""
    rule = parse_rule(text)
    assert isinstance(rule, AdaptiveRule)
    return replay(rule, NORMS, PRESENT, NORMS[:, 0])


def test_each_group_has_its_own_history() -> None:
    """Medians are of the steps with a group; where it is absent there is no threshold."""
    found = replayed("autoclip:50")
    assert found.thresholds.tolist() == [[2, math.inf], [math.inf, 1], [3, 2], [3, 2]]
    assert not found.skipped.any()
    numerators, denominators = found.ratios(CLIP_PER_LAYER, NORMS, 1.0)
    assert (numerators[2] / denominators[2]).tolist() == [3 / 5, 2 / 4]


def test_a_threshold_of_zero_is_none() -> None:
    """A norm above 0 whose threshold would be 0 is counted, and not clipped."""
    rule = parse_rule("autoclip:0")
    assert isinstance(rule, AdaptiveRule)
    norms = np.array([[0.0], [7.0]])
    found = replay(rule, norms, np.ones((2, 1), np.bool_), norms[:, 0])
    assert (found.thresholds.tolist(), found.vanished) == ([[math.inf], [math.inf]], 1)


def test_what_is_skipped_has_the_factor_0() -> None:
    """A rule that skips has factors of its own, 0 or 1; it judges no norm that is absent or not finite."""
    found = replayed("skip-above:2.5")
    numerators, denominators = found.ratios(CLIP_PER_LAYER, NORMS, 1.0)
    assert (numerators / denominators).tolist() == [[1, 1], [1, 1], [0, 0], [1, 1]]
    assert np.isinf(found.thresholds[3, 0])
