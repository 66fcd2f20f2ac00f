"""Columns are left out until the others fit, and what room is left goes to the narrowest text."""

import pytest

from gradclip_cli.render.tables.fit import MARGIN, fitting, widths
from gradclip_cli.render.tables.grid import Column, Grid

COLUMNS = [
    Column("name", text=True),
    Column("norm"),
    Column("std", rank=2),
    Column("mad", rank=2),
    Column("note", text=True, rank=1, below=True),
]


@pytest.mark.parametrize(
    ("width", "kept"),
    [(50, [0, 1, 2, 3, 4]), (49, [0, 1, 2, 3]), (40, [0, 1, 2, 3]), (39, [0, 1]), (20, [0, 1]), (1, [0, 1])],
)
def test_sentences_go_first_and_then_the_highest_rank(width: int, kept: list[int]) -> None:
    """Columns of one precedence go together; those of the lowest stay, however narrow it is."""
    found = fitting(COLUMNS, width, lambda kept: 10 * len(kept), lambda column: (column.below, column.rank))
    assert found == kept


def test_ranks_alone_may_decide() -> None:
    """Whoever folds texts leaves out by rank only."""
    assert fitting(COLUMNS, 30, lambda kept: 10 * len(kept), lambda column: (False, column.rank)) == [0, 1, 4]


def test_one_column_is_always_left() -> None:
    """A table whose columns are all of one rank keeps them."""
    assert fitting([Column("a", rank=1), Column("b", rank=1)], 1, len, lambda column: (False, column.rank)) == [0, 1]


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_figures_are_whole_and_texts_share_the_room(width: int) -> None:
    """A column of figures is as wide as its widest; columns of text that are folded take all of what is left."""
    grid = Grid(
        "t",
        [Column("param", text=True), Column("note", text=True), Column("norm")],
        [("x" * 90, "y" * 50, "1.234e-05")],
    )
    found = widths(grid, width)
    assert found[2] == len("1.234e-05")
    assert sum(found.values()) + MARGIN * len(found) == min(width, 90 + 50 + 9 + 3 * MARGIN)


def test_wide_characters_take_two_cells() -> None:
    """Widths are cells of the terminal, and not characters."""
    assert widths(Grid("t", [Column("layer", text=True)], [("第一层权重",)]), 80) == {0: 10}


def test_a_name_that_can_be_left_out_is_not_folded() -> None:
    """A column of a rank whose texts hold no blank is there whole, or not at all; sentences are folded."""
    columns = [Column("step", text=True), Column("norm"), Column("largest", text=True, rank=1)]
    grid = Grid("t", columns, [("41", "187.0", "model.embed_tokens")])
    assert widths(grid, 33) == {0: 4, 1: 5, 2: 18}
    assert widths(grid, 32) == {0: 4, 1: 5}
    assert 2 in widths(grid._replace(rows=[("41", "187.0", "a sentence of words")]), 32)
