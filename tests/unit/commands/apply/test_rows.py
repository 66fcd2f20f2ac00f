"""The rows of a dump: layers, blocks and params, and those of the largest norm."""

from typing import Any

import numpy as np
import pytest
from support.tensors import dump_of

from gradclip_cli.commands.apply.decisions import decide
from gradclip_cli.commands.apply.plan import ApplyPlan
from gradclip_cli.commands.apply.rows import DumpRows
from gradclip_cli.engine.rewrite import Rewritten
from gradclip_cli.inputs.naming import Naming
from gradclip_cli.inputs.selection import Selection
from gradclip_cli.numerics.statistics_arrays import StatsArrays
from gradclip_cli.numerics.statistics_table import StatsTable
from gradclip_cli.strategies import find

TENSORS = {
    "h.0.q.w": np.array([3.0]),
    "h.0.k.w": np.array([4.0]),
    "h.1.q.w": np.array([12.0]),
    "norm.w": np.array([84.0]),
}
"""Of norms 5, 12 and 84 by blocks, 85.15 in all."""


def rows_of(tensors: Any = TENSORS, **selection: Any) -> DumpRows:
    """Return the rows of a dump that nothing clips."""
    plan = ApplyPlan((), (), find("none"), selection=Selection(**selection))
    [one] = decide(plan, [dump_of(tensors)]).dumps
    return DumpRows(one, Rewritten(StatsTable([], StatsArrays.empty(0, 1)), {}), plan)


def test_blocks_are_layers_up_to_their_first_number() -> None:
    """The square of a block's norm is the sum of those of its layers, and its share is of the square of all."""
    rows = rows_of()
    found = [rows.block(k) for k in range(len(rows.blocks.groups))]
    assert [(row.block, row.norm_before, row.params) for row in found] == [
        ("h.0", 5.0, 2),
        ("h.1", 12.0, 1),
        ("norm", 84.0, 1),
    ]
    total = 9 + 16 + 144 + 84**2
    assert [row.share for row in found] == pytest.approx([25 / total, 144 / total, 84**2 / total])
    assert [row.clipped for row in found] == [False] * 3


def test_a_regex_or_a_depth_makes_the_blocks_layers() -> None:
    """Where the user says what a layer is, blocks are those layers."""
    for naming in (Naming.parse(None, 3), Naming.parse(r"(?P<layer>.+)\.(?P<param>w)", None)):
        rows = rows_of(naming=naming)
        assert [rows.block(k).block for k in range(len(rows.blocks.groups))] == ["h.0.k", "h.0.q", "h.1.q", "norm"]


def test_the_largest_come_first() -> None:
    """Groups are ranked by their norms, those that are not finite above all; equal ones keep their order."""
    rows = rows_of()
    assert [rows.param(k).name for k in rows.largest(rows.params)] == ["norm.w", "h.1.q.w", "h.0.k.w", "h.0.q.w"]
    assert len(rows) == 4
    many = rows_of(tensors={f"l{k}.w": np.array([1.0]) for k in range(30)})
    assert many.largest(many.layers) == list(range(30))


def test_no_share_without_a_norm() -> None:
    """A dump of zeros has blocks of no share."""
    rows = rows_of(tensors={"a.w": np.zeros(3)})
    assert rows.block(0).share is None
