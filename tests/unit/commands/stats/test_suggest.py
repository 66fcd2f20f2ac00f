"""A threshold is chosen from the norms that a strategy compares, and says what it would do; each layer's own, too."""

import math
import statistics

import numpy as np
import pytest

from gradclip_cli.commands.stats.plan import StatsPlan
from gradclip_cli.commands.stats.suggest import annotated, evaluate, own_thresholds
from gradclip_cli.inputs.layouts.single import single
from gradclip_cli.reports.stats_thresholds import OwnThreshold, Suggestion
from gradclip_cli.strategies import find
from gradclip_cli.strategies.base import Norm
from gradclip_cli.thresholds.norm_table import GroupName, NormTable, SeriesNorms, Step
from gradclip_cli.thresholds.rules import RULES, parse_rule

STEPS = [[1.0, 10.0, 0.0], [2.0, math.nan, 0.0], [6.0, 30.0, 0.0]]


def own(plan: StatsPlan, steps: list[list[float]] = STEPS) -> list[OwnThreshold]:
    """The layers' thresholds, of three layers and as many steps."""
    return own_thresholds(plan, NormTable([GroupName(layer) for layer in "abc"], np.array(steps)))


def test_each_layer_has_its_own_threshold() -> None:
    """The mean of a layer's finite norms, and the share of its finite steps above; a layer of zeros has none."""
    assert own(StatsPlan((single("a"),))) == [("a", 3.0, 1 / 3, None), ("b", 20.0, 0.5, None), ("c", None, None, None)]


def test_the_rule_and_the_epsilon_count() -> None:
    """Another rule chooses, and an epsilon lifts norms above the threshold."""
    found = own(StatsPlan((single("a"),), rule=parse_rule("median"), norm=Norm(2.0, 0.5)))
    assert found[:2] == [("a", 2.0, 2 / 3, None), ("b", 20.0, 0.5, None)]


def test_only_where_layers_may_be_clipped_apart() -> None:
    """There are none if another strategy was asked for, and none of a single dump, whose norms are their own mean."""
    assert own(StatsPlan((single("a"),), find("clip-by-global-norm"))) == []
    assert own(StatsPlan((single("a"),)), STEPS[:1]) == []


def test_a_mean_that_is_no_guide_is_noted() -> None:
    """A layer whose mean a few norms lead, or whose norms are all alike, has a note; a rule that they do not lead has none."""
    steps = [[1.0 + k / 10, 2.0, 0.0] for k in range(9)] + [[500.0, 2.0, 0.0]]
    a, b, c = own(StatsPlan((single("a"),)), steps)
    assert a.note == "the mean is led by a few large norms; mad:5 would be 3.303"
    assert "already been clipped at 2" in (b.note or "")
    assert c.note is None
    assert own(StatsPlan((single("a"),), rule=parse_rule("median")), steps)[0].note is None


@pytest.mark.parametrize("rule", ["mean", "median"])
def test_a_layer_that_stays_exploded_is_noted(rule: str) -> None:
    """Where most steps of a layer explode, no rule over all of them is a guide; what was usual before is named."""
    steps = [[norm, 1.0, 1.0 + k / 10] for k, norm in enumerate([1.0, 2.0, 3.0, *[900.0] * 8])]
    a, _, c = own(StatsPlan((single("a"),), rule=parse_rule(rule)), steps)
    assert (a.note, c.note) == ("it explodes and stays up; the median before is 2", None)


def suggested(strategy: str, values: list[float], epsilon: float = 0.0) -> Suggestion:
    """What the mean suggests for a strategy, of one group."""
    table = NormTable([GroupName()], np.array(values).reshape(-1, 1))
    norms = SeriesNorms([Step(f"{k}.npz", k) for k in range(len(values))], table, table, table, table, table)
    return annotated(evaluate(find(strategy), RULES[0], norms, epsilon), table.samples)


def test_a_suggestion_says_what_it_would_do() -> None:
    """A suggestion has its threshold, clip rate, mean factor, and the band of 0.5 to 10 times the mean."""
    values = [1.0, 2.0, 3.0, 10.0]
    found = suggested("clip-by-global-norm", values)
    assert (found.samples, found.threshold, found.clip_rate, found.band) == (4, 4.0, 0.25, (2.0, 40.0))
    assert found.mean_factor == pytest.approx(statistics.fmean([1, 1, 1, 0.4]))
    assert found.note == "only 4 samples"
    assert found.steps == [(3, 3)]


def test_epsilon_counts_in_clip_rates() -> None:
    """With an epsilon a sample is clipped if norm + epsilon is above, but not under the element-wise strategy."""
    assert suggested("clip-by-norm", [1.0, 3.0], 1.5).clip_rate == 1.0
    assert suggested("clip-by-value", [1.0, 3.0], 1.5).clip_rate == 0.5


@pytest.mark.parametrize(
    ("values", "note"),
    [
        ([5.0], "only 1 sample"),
        ([1.0, 1.0, 0.0], "lower the learning rate"),
        ([1.0, 1.0, 1.0, 100.0], "mad:5 would be 1"),
        ([1.0, 2.0, math.nan], "1 NaN or infinite norm left out"),
    ],
)
def test_notes_on_a_suggestion(values: list[float], note: str) -> None:
    """One sample, a clip rate above one half, a mean led by few, and samples left out are pointed out."""
    assert note in (suggested("clip-by-global-norm", values).note or "")


@pytest.mark.parametrize("values", [[], [math.nan], [0.0]])
def test_no_suggestion_says_why(values: list[float]) -> None:
    """Where no threshold can be chosen the suggestion is empty and its note is the reason."""
    found = suggested("clip-by-global-norm", values)
    assert (found.threshold, found.clip_rate, found.band) == (None, None, None)
    assert "no threshold can be chosen" in (found.note or "")


@pytest.mark.parametrize("epsilon", [0.0, 0.25])
def test_the_mean_factor(epsilon: float) -> None:
    """The mean factor is the mean of min(1, c / (n + epsilon)), over finite samples."""
    values = [3.0, 0.5, 12.25, 1.0, 7.5, 0.0]
    c = statistics.fmean(values)
    expected = statistics.fmean(min(1.0, c / (value + epsilon)) if value + epsilon else 1.0 for value in values)
    assert suggested("clip-by-norm", [*values, math.nan], epsilon).mean_factor == pytest.approx(expected, rel=1e-14)
