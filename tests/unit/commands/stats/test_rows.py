"""Dumps become rows of norms, and rows become matrices in which every value stands in the column of its tensor."""

import math

import numpy as np
import pytest
from support.tensors import dump_of

from gradclip_cli.commands.stats.dump_norms import KeptRows, sums_for
from gradclip_cli.commands.stats.plan import StatsPlan, Trial
from gradclip_cli.commands.stats.rows import NormRow, RowLayout, block_norms, stacked
from gradclip_cli.inputs.layouts.single import single
from gradclip_cli.inputs.naming import Naming
from gradclip_cli.strategies.base import Norm
from gradclip_cli.thresholds.norm_table import GroupName, NormTable, SeriesNorms, Step

COLUMNS = {"l.10.a": 0, "l.2.a": 1, "l.10.b": 2}
LAYERS = ["l.10", "l.2", "l.10"]
WHOLE = RowLayout.of_all(LAYERS)
GROUPS = [GroupName("l.2", "l.2.a"), GroupName("l.10", "l.10.a"), GroupName("l.10", "l.10.b")]
BLOCKS = [GroupName(name) for name in ("head", "h.0.a", "h.0.b", "h.1.a", "h.1.b")]


def rows_of(*dumps: dict[str, list[float]], plan: StatsPlan, kept: KeptRows) -> list[NormRow]:
    """Return the rows of dumps, each with a layout of its own."""
    return [_row({name: np.array(values) for name, values in one.items()}, plan, kept) for one in dumps]


def _row(arrays: dict[str, np.ndarray], plan: StatsPlan, kept: KeptRows) -> NormRow:
    dump = dump_of(arrays, sums_for(plan))
    layout = RowLayout.of([COLUMNS[name] for name in dump.named], LAYERS)
    pieces = [dump.named[list(COLUMNS)[column]] for column in layout.columns.tolist()]
    return NormRow.of(Step("a", None), dump.stats, pieces, layout, plan, kept)


def stack(*dumps: dict[str, list[float]], plan: StatsPlan | None = None) -> SeriesNorms:
    """Return the norms of a series, by default L1 norms."""
    plan = plan or StatsPlan((single("a"),), norm=Norm(1.0))
    kept = KeptRows()
    return stacked(rows_of(*dumps, plan=plan, kept=kept), kept, WHOLE, GROUPS, plan)


def test_a_layout_puts_the_tensors_of_a_layer_side_by_side() -> None:
    """Layers are in natural order, and tensors of a layer in the order of their numbers."""
    assert (WHOLE.columns.tolist(), WHOLE.layers, WHOLE.starts) == ([1, 0, 2], ["l.2", "l.10"], [0, 1, 3])
    empty = RowLayout.of([], LAYERS)
    assert (empty.columns.tolist(), empty.layers, empty.starts) == ([], [], [0])


def test_every_norm_stands_in_its_column() -> None:
    """What a dump lacks is absent and 0, in its row of tensors and, if the dump has nothing else of it, in that of layers."""
    found = stack({"l.10.b": [4.0], "l.2.a": [1.0, 2.0]}, {"l.10.a": [5.0], "l.10.b": [6.0]})
    assert found.params.norms.tolist() == [[3, 0, 4], [0, 5, 6]]
    assert found.params.present.tolist() == [[True, False, True], [False, True, True]]
    assert found.max_abs.norms.tolist() == [[2, 0, 4], [0, 5, 6]]
    assert found.max_abs.present.tolist() == found.params.present.tolist()
    assert found.layers.norms.tolist() == [[3, 4], [0, 11]]
    assert found.layers.present.tolist() == [[True, True], [False, True]]
    assert (found.total.norms.tolist(), found.total.absent) == ([[7], [11]], None)
    assert [str(group) for group in found.layers.groups] == ["l.2", "l.10"]


def test_where_nothing_is_absent_there_is_no_mask() -> None:
    """Dumps with the same tensors have none, in whatever order they hold them."""
    full = {"l.10.a": [1.0], "l.2.a": [2.0], "l.10.b": [3.0]}
    found = stack(full, dict(reversed(full.items())))
    assert found.params.norms.tolist() == [[2, 1, 3]] * 2
    assert found.params.absent is found.layers.absent is found.total.absent is None


def test_a_dump_with_nothing_is_absent_as_a_whole() -> None:
    """Among dumps with gradients, one without any is no sample of the norm of dumps."""
    found = stack({"l.10.a": [1.0], "l.2.a": [2.0], "l.10.b": [3.0]}, {})
    assert (found.total.norms.tolist(), found.total.present.tolist()) == ([[6], [0]], [[True], [False]])


def test_trials_have_norms_of_their_own() -> None:
    """L2 norms and clipped tensors are stacked in the same way; what is absent has norm 0 and is unchanged."""
    plan = StatsPlan((single("a"),), norm=Norm(1.0), tries=(Trial.parse("clip-by-value:3"),))
    found = stack({"l.10.b": [3.0, 4.0]}, {"l.2.a": [6.0, 8.0]}, plan=plan)
    assert found.l2 is not None
    assert found.l2.params.norms.tolist() == [[0, 0, 5], [10, 0, 0]]
    assert found.l2.params.present.tolist() == [[False, False, True], [True, False, False]]
    assert (found.l2.layers.norms.tolist(), found.l2.total.norms.tolist()) == ([[0, 5], [10, 0]], [[5], [10]])
    norms, cosines = found.l2.clipped[3.0]
    assert norms == pytest.approx(np.array([[0, 0, math.sqrt(18)], [math.sqrt(18), 0, 0]]), rel=1e-15)
    assert cosines == pytest.approx(
        np.array([[1, 1, 21 / 5 / math.sqrt(18)], [42 / 10 / math.sqrt(18), 1, 1]]), rel=1e-15
    )


def test_rows_of_one_kind_are_a_matrix_without_a_copy() -> None:
    """Rows that stand one after the other are the memory that keeps them; in another order, and in part, they are copied."""
    kept = KeptRows()
    first, _, third = (kept.keep("a", np.array(row)) for row in ([1.0, 2.0], [3.0, 4.0], [5.0, 6.0]))
    other = kept.keep("b", np.array([7.0, 8.0]))
    whole = kept.matrix([first, first._replace(start=2, stop=4), third], 2)
    assert whole.tolist() == [[1, 2], [3, 4], [5, 6]]
    assert np.shares_memory(whole, kept.of(third))
    assert kept.matrix([third, first], 2).tolist() == [[5, 6], [1, 2]]
    assert kept.matrix([first, other], 2).tolist() == [[1, 2], [7, 8]]
    assert kept.matrix([kept.keep("c", np.empty(0))] * 2, 0).shape == (2, 0)


def test_layers_of_one_tensor_each_have_the_norms_of_tensors() -> None:
    """They are held once, under both names; where any layer has two tensors, each table has its own."""
    plan, kept = StatsPlan((single("a"),), norm=Norm(1.0)), KeptRows()
    names = ["l.2", "l.10"]
    layout, groups = RowLayout.of_all(names), [GroupName(name, f"{name}.a") for name in names]
    dump = dump_of({"l.2.a": np.array([1.0, 2.0]), "l.10.a": np.array([4.0])}, sums_for(plan))
    rows = [NormRow.of(Step("a", None), dump.stats, list(dump.named.values()), layout, plan, kept) for _ in range(2)]
    found = stacked(rows, kept, layout, groups, plan)
    assert found.layers.norms.tolist() == found.params.norms.tolist() == [[3, 4], [3, 4]]
    assert np.shares_memory(found.layers.norms, found.params.norms)
    assert [str(group) for group in (*found.layers.groups, *found.params.groups)] == ["l.2", "l.10", "l.2.a", "l.10.a"]
    assert found.layers.summaries() is found.params.summaries()


def test_layers_of_one_number_are_a_block() -> None:
    """3 and 4 make 5; a layer without a number is a block of its own, and blocks are in the order of their layers."""
    found = block_norms(NormTable(BLOCKS, np.array([[7.0, 3.0, 4.0, 5.0, 12.0]])), Naming(), 2.0)
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
    told = NormTable(BLOCKS, np.ones((1, 5)))
    assert block_norms(told, Naming.parse(None, 3), 2.0) is told


def test_what_is_missing_or_not_finite() -> None:
    """A block is absent where all of its layers are; NaN in one of them is NaN in the block, an infinity is infinite."""
    norms = np.array([[1.0, 0.0, 4.0, 0.0, 0.0], [1.0, math.nan, 4.0, math.inf, math.nan]])
    absent = np.array([[False, True, False, True, True], [False] * 5])
    found = block_norms(NormTable(BLOCKS, norms, absent), Naming(), 2.0)
    np.testing.assert_array_equal(found.norms, [[1.0, 4.0, 0.0], [1.0, math.nan, math.inf]])
    assert found.present.tolist() == [[True, True, False], [True, True, True]]
