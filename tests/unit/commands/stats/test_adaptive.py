"""What an adaptive rule would have done to a series."""

import math
from typing import Self

import numpy as np
import pytest

from gradclip_cli.commands.stats.adaptive import AdaptiveRun, replay_of
from gradclip_cli.strategies import find
from gradclip_cli.thresholds.adaptive import ADAPTIVE_RULES, AdaptiveRule
from gradclip_cli.thresholds.norm_table import GroupName, NormTable, Step
from gradclip_cli.thresholds.rules import parse
from gradclip_cli.thresholds.samples import Mask, Matrix

GLOBAL = find("clip-by-global-norm")
NORMS = [1.0, 1.2, 0.8, 1.0, 1.1, 5.0, 1.0, 0.0]
MEDIANS = [1, 1.1, 1, 1, 1, 1.05, 1, 1]
FACTORS = [1, 1.1 / 1.2, 1, 1, 1 / 1.1, 1.05 / 5, 1, 1]


def schedule(
    norms: list[float], rule: str = "autoclip:50", strategy: str = GLOBAL.name, epsilon: float = 0.0
) -> AdaptiveRun:
    """A rule over the norms of one group."""
    return AdaptiveRun(find(strategy), adaptive(rule), table_of(norms), epsilon)


def adaptive(text: str) -> AdaptiveRule:
    """The adaptive rule that a text names."""
    found = parse(text)
    assert isinstance(found, AdaptiveRule)
    return found


def table_of(norms: list[float]) -> NormTable:
    """The norms of one group."""
    return NormTable([GroupName()], np.array(norms)[:, None])


def dumps(norms: list[float]) -> list[Step]:
    """The steps of norms, in their order."""
    return [Step(f"step{k}.npz", k) for k in range(len(norms))]


def test_every_step_has_its_threshold_and_factor() -> None:
    """A step has its norm, its threshold, min(1, c / n), and whether that is not 1."""
    rows = schedule(NORMS).steps(dumps(NORMS))
    assert [(row.input, row.step, row.norm) for row in rows] == [(f"step{k}.npz", k, n) for k, n in enumerate(NORMS)]
    assert [row.threshold for row in rows] == pytest.approx(MEDIANS, rel=1e-14)
    assert [row.factor for row in rows] == pytest.approx(FACTORS, rel=1e-14)
    assert [row.clipped for row in rows] == [factor < 1 for factor in FACTORS]


def test_figures_are_over_the_thresholds_of_the_steps() -> None:
    """Clip rate and mean factor are those of each step's own threshold; the one that is given is the last."""
    found = schedule(NORMS).suggestion(dumps(NORMS))
    assert (found.rule, found.samples, found.threshold, found.clip_rate) == ("autoclip:50", 8, 1.0, 3 / 8)
    assert found.mean_factor == pytest.approx(sum(FACTORS) / 8, rel=1e-14)
    assert found.note == "the threshold is that of the last step; each has its own; only 8 steps"


def test_epsilon_is_added_to_what_is_compared() -> None:
    """With an epsilon the factor is c / (n + epsilon), but not where elements are clipped."""
    assert schedule([2.0, 2.0], epsilon=0.5).suggestion(dumps([2.0, 2.0])).mean_factor == 0.8
    assert schedule([2.0, 2.0], epsilon=0.5, strategy="clip-by-value").suggestion(dumps([2.0, 2.0])).mean_factor == 1


def test_what_is_not_finite_has_no_factor() -> None:
    """A norm that is not finite is shown, has the threshold of the others, and counts in no figure."""
    norms = [math.nan, 2.0, math.inf, 6.0]
    found = schedule(norms)
    assert [(row.threshold, row.factor, row.clipped) for row in found.steps(dumps(norms))] == [
        (math.inf, None, None),
        (2, 1, False),
        (2, None, None),
        (4, 4 / 6, True),
    ]
    suggestion = found.suggestion(dumps(norms))
    assert (suggestion.samples, suggestion.clip_rate, suggestion.threshold) == (2, 0.5, 4)
    assert suggestion.steps == [(3, 3)]
    assert "2 NaN or infinite norms left out" in (suggestion.note or "")


def test_groups_have_their_own_thresholds() -> None:
    """Of several groups there is no single threshold: each has the figures of its own history."""
    matrix = np.array([[2.0, 1.0], [4.0, 1.0], [0.0, 4.0]])  # medians: 2 3 2 and 1 1 1
    table = NormTable([GroupName("a"), GroupName("b")], matrix)
    found = AdaptiveRun(find("clip-l2-per-layer"), adaptive("autoclip:50"), table, 0.0)
    assert [tuple(row) for row in found.groups()] == [
        ("clip-l2-per-layer", "a", None, 3, 0, 2, 1 / 3, pytest.approx((1 + 3 / 4 + 1) / 3)),
        ("clip-l2-per-layer", "b", None, 3, 4, 1, 1 / 3, pytest.approx((1 + 1 + 1 / 4) / 3)),
    ]
    assert found.steps(dumps([1.0, 2.0, 3.0])) == []
    suggestion = found.suggestion(dumps([1.0] * 3))
    assert (suggestion.threshold, suggestion.band, suggestion.clip_rate) == (None, None, 2 / 6)
    assert "no single threshold" in (suggestion.note or "")


def test_a_group_has_the_history_of_the_steps_with_it() -> None:
    """Where a group is absent it has no threshold, and its last one is that of the last step that has it."""
    matrix = np.array([[2.0, 0.0], [0.0, 1.0], [4.0, 3.0], [0.0, math.nan]])  # medians: 2 - 3 - and - 1 2 2
    absent = np.array([[False, True], [True, False], [False, False], [True, False]])
    table = NormTable([GroupName("a"), GroupName("b")], matrix, absent)
    rule = adaptive("autoclip:50")
    assert replay_of(rule, table, table).thresholds.tolist() == [[2, math.inf], [math.inf, 1], [3, 2], [math.inf, 2]]
    found = AdaptiveRun(find("clip-l2-per-layer"), rule, table, 0.0)
    assert [tuple(row)[3:6] for row in found.groups()] == [(2, 4, 3), (2, pytest.approx(math.nan, nan_ok=True), 2)]
    assert (found.suggestion(dumps([1.0] * 4)).samples, found.suggestion(dumps([1.0] * 4)).clip_rate) == (4, 2 / 4)
    single = AdaptiveRun(
        find("clip-l2-per-layer"), rule, NormTable([GroupName("a")], matrix[:, :1], absent[:, :1]), 0.0
    )
    assert single.suggestion(dumps([1.0] * 4)).threshold == 3


@pytest.mark.parametrize(
    ("norms", "rule", "reason"),
    [
        ([1.0] * 25, "zclip", "nothing is clipped in the warm-up of 25 steps"),
        ([0.0, 0.0], "autoclip", "it would be 0"),
        (
            [math.nan],
            "autoclip",
            "no threshold can be chosen by autoclip:10 for clip-by-global-norm: its one norm is NaN",
        ),
    ],
)
def test_where_there_is_no_threshold(norms: list[float], rule: str, reason: str) -> None:
    """In the warm-up, where it would be 0, and without a finite norm, the note says why there is no threshold."""
    found = schedule(norms, rule).suggestion(dumps(norms))
    assert found.threshold is None
    assert reason in (found.note or "")


class Single:
    """Tensors of one element each."""

    def __init__(self, sizes: Matrix) -> None:
        self.peaks = self.norms = sizes

    def of_steps(self, rows: Mask) -> Self:
        """Some steps alone."""
        return type(self)(self.peaks[rows])

    def norms_under(self, limits: Matrix, limited: Mask) -> Matrix:
        """What is above its limit comes down to it."""
        return np.where(limited, limits, self.norms)


def test_a_rule_that_limits_elements_counts_what_is_above() -> None:
    """A tensor is clipped where an element is above its limit, though each is scaled; a note says the latter."""
    norms = [1.0, 1.0, 4.0, 0.5]
    found = AdaptiveRun(
        find("clip-by-value"), adaptive("stable-spam"), table_of(norms), 0.0, None, Single(table_of(norms).norms)
    )
    suggestion = found.suggestion(dumps(norms))
    assert (suggestion.clip_rate, suggestion.steps) == (1 / 4, [(2, 2)])
    assert "what is left of a tensor is scaled to a norm near 1" in (suggestion.note or "")
    assert suggestion.mean_factor == pytest.approx((1 + 1 + 0.25 + 2) / 4, rel=0.2)


def test_every_adaptive_rule_can_be_shown() -> None:
    """Every rule of the registry limits a long series, and those that skip name the spike."""
    norms = [1.0, 1.1, 0.9, 1.05, 0.95] * 30 + [40.0] + [1.0, 1.1] * 5
    for one in ADAPTIVE_RULES:
        rule = one.given("20") if one.required else one
        table = NormTable([GroupName("h.q", "h.q.weight")], np.array(norms)[:, None])
        elements = Single(table.norms) if one.rereads else None
        suggestion = AdaptiveRun(one.own, rule, table, 0.0, table, elements).suggestion(dumps(norms))
        assert (suggestion.skip_rate is not None) == one.skips
        assert suggestion.skipped_steps == ([(150, 150)] if one.skips else None)
        assert np.isfinite(replay_of(rule, table, table, elements).thresholds[150, 0])


def test_skipped_steps_are_not_clipped() -> None:
    """A step that is skipped has the factor 0, is not among those that are clipped, and no threshold is suggested."""
    norms = [1.0, 9.0, 2.0]
    run = schedule(norms, "skip-above:5")
    assert [tuple(row)[4:] for row in run.steps(dumps(norms))] == [
        (5, 1, False, False),
        (5, 0, False, True),
        (5, 1, False, False),
    ]
    found = run.suggestion(dumps(norms))
    assert (found.threshold, found.clip_rate, found.skip_rate, found.steps) == (None, 0, 1 / 3, [])
    assert (found.skipped_steps, found.mean_factor) == ([(1, 1)], pytest.approx(2 / 3))
    assert (found.note or "").startswith("skips 1 of 3 steps: 1")
