"""Norms of steps and groups: what counts of them, and what a strategy compares with its threshold."""

import math

import numpy as np
import pytest

from gradclip_cli.strategies import STRATEGIES, Group, find
from gradclip_cli.thresholds.norm_table import GroupName, L2Norms, NormTable, OwnNorms, SeriesNorms, Step, StepRows


def table(values: list[float], groups: int = 1) -> NormTable:
    """A table of so many groups."""
    return NormTable([GroupName(str(k)) for k in range(groups)], np.array(values, float).reshape(-1, groups))


@pytest.mark.parametrize(
    ("values", "groups", "run"),
    [
        ([1, 5, 5, 1, 5], 1, 2),
        ([1, 1], 1, 0),
        ([5, 1, 1, 5, 1, 1, 1, 5], 2, 2),
        ([], 1, 0),
        ([math.inf, math.inf, 5, math.nan], 1, 1),
        ([math.inf, 1, 5, 1], 2, 1),
    ],
)
def test_the_longest_run_of_clipped_steps(values: list[float], groups: int, run: int) -> None:
    """Steps on end in each of which some group is above the threshold; what is not finite does not count."""
    assert table(values, groups).longest_run(3.0) == run


def test_what_is_absent_does_not_count() -> None:
    """A group that a step lacks is in no sample, no summary and no run, whatever stands in its place."""
    norms = np.array([[1.0, 9.0], [2.0, math.nan], [3.0, 5.0]])
    absent = np.array([[False, True], [False, True], [True, False]])
    found = NormTable([GroupName("a"), GroupName("b", "b.w")], norms, absent)
    assert sorted(found.samples.finite.tolist()) == [1.0, 2.0, 5.0]
    assert found.samples.nonfinite == 0
    assert [(summary.count, summary.nonfinite, summary.mean) for summary in found.summaries()] == [
        (2, 0, 1.5),
        (1, 0, 5.0),
    ]
    assert found.column(1).finite.tolist() == [5.0]
    assert (found.longest_run(1.5), found.longest_run(6.0)) == (2, 0)
    assert [str(group) for group in found.groups] == ["a", "b.w"]
    assert (found.steps_of(0), found.steps_of(1)) == ([1.0, 2.0, None], [None, None, 5.0])


def test_what_a_strategy_compares() -> None:
    """Clipping compares norms of the type asked for, or the largest element; what takes no norm uses L2 norms where it has them."""
    total, layers, params, top = (table([float(k)]) for k in range(4))
    l2 = L2Norms(table([10.0]), table([11.0]), table([12.0]), {})
    plain = SeriesNorms([Step("a", None)], total, layers, params, top, layers)
    expected = {Group.DUMP: total, Group.NONE: total, Group.LAYER: layers, Group.TENSOR: params, Group.ELEMENT: top}
    assert all(
        plain.compared(strategy) is expected[strategy.group] for strategy in STRATEGIES if strategy.group in expected
    )
    own = plain._replace(own={"clip-by-block-rms": OwnNorms(top, params)})
    assert own.compared(find("clip-by-block-rms")) is top
    both = plain._replace(l2=l2)
    assert both.compared(find("renormalize-l2-per-layer")) is l2.layers
    assert both.compared(find("none")) is l2.total
    assert both.compared(find("clip-l2-per-layer")) is layers


def test_rows_of_steps_hold_the_table_that_they_come_from() -> None:
    """Rows are the norms of each group step by step, None where it is absent; those who want arrays find the table."""
    table = NormTable(
        [GroupName("a"), GroupName("b")], np.array([[1.0, 0.0], [2.0, 3.0]]), np.array([[False, True], [False, False]])
    )
    rows = StepRows(table)
    assert list(rows) == [[1.0, 2.0], [None, 3.0]]
    assert rows.table is table
