"""The norm of a block is that of all its layers together."""

import math

import numpy as np

from gradclip_cli.commands.stats.rows import block_norms
from gradclip_cli.inputs.naming import Naming
from gradclip_cli.thresholds.norm_table import GroupName, NormTable

LAYERS = [GroupName(name) for name in ("head", "h.0.a", "h.0.b", "h.1.a", "h.1.b")]


def test_layers_of_one_number_are_a_block() -> None:
    """3 and 4 make 5; a layer without a number is a block of its own, and blocks are in the order of their layers."""
    found = block_norms(NormTable(LAYERS, np.array([[7.0, 3.0, 4.0, 5.0, 12.0]])), Naming(), 2.0)
    assert list(map(str, found.groups)) == ["head", "h.0", "h.1"]
    assert found.norms.tolist() == [[7.0, 5.0, 13.0]]
    assert found.absent is None


def test_layers_of_a_block_need_not_stand_side_by_side() -> None:
    """What is between two layers of a block is not part of it."""
    layers = [GroupName(name) for name in ("h.0.a", "x", "h.0.b")]
    found = block_norms(NormTable(layers, np.array([[3.0, 9.0, 4.0]])), Naming(), 1.0)
    assert (list(map(str, found.groups)), found.norms.tolist()) == (["h.0", "x"], [[7.0, 9.0]])


def test_nothing_is_computed_where_each_layer_is_a_block() -> None:
    """The table of layers stands for that of blocks, as it does where the user says what a layer is."""
    own = NormTable([GroupName("fc1"), GroupName("fc2")], np.array([[1.0, 2.0]]))
    assert block_norms(own, Naming(), 2.0) is own
    told = NormTable(LAYERS, np.ones((1, 5)))
    assert block_norms(told, Naming.parse(None, 3), 2.0) is told


def test_what_is_missing_or_not_finite() -> None:
    """A block is absent where all of its layers are; NaN in one of them is NaN in the block, an infinity is infinite."""
    norms = np.array([[1.0, 0.0, 4.0, 0.0, 0.0], [1.0, math.nan, 4.0, math.inf, math.nan]])
    absent = np.array([[False, True, False, True, True], [False] * 5])
    found = block_norms(NormTable(LAYERS, norms, absent), Naming(), 2.0)
    np.testing.assert_array_equal(found.norms, [[1.0, 4.0, 0.0], [1.0, math.nan, math.inf]])
    assert found.present.tolist() == [[True, True, False], [True, True, True]]
