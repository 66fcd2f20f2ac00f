"""Norms over the dumps of a series are summarised by plain formulas."""

import math

import pytest

from gradclip_cli.commands.stats.plan import StatsPlan
from gradclip_cli.inputs.layouts.single import single
from gradclip_cli.strategies.base import Norm
from gradclip_cli.thresholds.rules import RULES
from unit.commands.stats.made import STEPS, series_of


def test_norms_of_dump_layer_and_tensor() -> None:
    """Each dump, layer and tensor has the norm of its own elements, layers in natural order and tensors with their layer."""
    found = series_of(*STEPS)
    assert [(dump.norm, dump.max_abs, dump.step) for dump in found.dumps] == [(13, 12, 0), (26, 24, 1)]
    assert [(row.layer, row.summary.min, row.summary.max) for row in found.layers] == [
        ("a", 4, 8),
        ("b", pytest.approx(math.hypot(3, 12), rel=1e-15), pytest.approx(math.hypot(6, 24), rel=1e-15)),
    ]
    assert [(row.name, row.summary.mean) for row in found.params] == [("a.w", 6), ("b.w", 4.5), ("b.b", 18)]
    assert found.total.mean == 19.5


def test_norms_of_another_type() -> None:
    """All norms of a report are of the type that was asked for."""
    found = series_of(*STEPS, plan=StatsPlan((single("a"),), norm=Norm(1.0)))
    assert (found.norm_type, [dump.norm for dump in found.dumps]) == (1.0, [19, 38])


def test_tensors_in_another_order_are_the_same() -> None:
    """Dumps whose tensors stand in another order have the same figures."""
    turned = tuple(dict(reversed(step.items())) for step in STEPS)
    first, second = series_of(*STEPS), series_of(STEPS[0], turned[1])
    assert (first.params, first.layers, first.total) == (second.params, second.layers, second.total)


def test_there_is_a_candidate_for_each_rule_and_strategy() -> None:
    """Candidates hold every rule for each strategy that has a threshold."""
    found = series_of(*STEPS)
    assert len(found.suggestions) == 4
    assert [row.rule.partition(":")[0] for row in found.candidates] == [
        rule.name.partition(":")[0] for _ in range(4) for rule in RULES
    ]


def test_nonfinite_dumps_are_counted() -> None:
    """A dump with a NaN has the norm NaN, one with an infinity an infinite one; both are left out of the figures."""
    found = series_of({"a": [3.0]}, {"a": [math.nan]}, {"a": [-math.inf]})
    assert [repr(dump.norm) for dump in found.dumps] == ["3.0", "nan", "inf"]
    assert [dump.nonfinite for dump in found.dumps] == [0, 1, 1]
    assert (found.total.count, found.total.nonfinite, found.total.mean) == (1, 2, 3.0)
