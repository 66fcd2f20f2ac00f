import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gradclip_cli.render.html.pooled import (
    ABSENT,
    NONFINITE,
    ZERO,
    Written,
    cells_of,
    least_of,
    medians,
    pooled,
    pooled_ratios,
    starts_of,
    written_cells,
)

CELLS = st.one_of(st.integers(-900, 900), st.sampled_from([ABSENT, ZERO, NONFINITE]))
MAPS = st.tuples(st.integers(1, 12), st.integers(1, 30)).flatmap(lambda shape: arrays(np.int32, shape, elements=CELLS))


def parts(count: int, starts: list[int]) -> list[slice]:
    """The slices that begin at some places."""
    return [slice(a, b) for a, b in zip(starts, [*starts[1:], count], strict=True)]


@given(MAPS, st.integers(1, 5), st.integers(1, 7))
def test_pooling_loses_no_largest_cell(cells: np.ndarray, most_rows: int, most_columns: int) -> None:
    """Each pooled cell is the largest of its cells, from a layer that has it, and says whether a layer is 0 all through it."""
    rows, columns = starts_of(len(cells), most_rows), starts_of(cells.shape[1], most_columns)
    found = pooled(cells, rows, columns)
    assert found.cells.shape[0] <= most_rows
    assert found.cells.shape[1] <= most_columns
    for r, of_row in enumerate(parts(len(cells), rows)):
        for c, of_column in enumerate(parts(cells.shape[1], columns)):
            part = cells[of_row, of_column]
            assert found.cells[r, c] == part.max()
            assert part[found.which[r, c]].max() == part.max()
            there = (part != ABSENT).any(axis=1)
            assert found.any_zero[r, c] == (np.isin(part, [ZERO, ABSENT]).all(axis=1) & there).any()


@given(MAPS, st.integers(1, 5), st.integers(1, 7))
def test_nothing_that_stands_out_is_lost_and_nothing_absent_appears(
    cells: np.ndarray, most_rows: int, most_columns: int
) -> None:
    """The whole map keeps its largest cell; what is not finite stays in its column and row, and only what is all absent is absent."""
    rows, columns = starts_of(len(cells), most_rows), starts_of(cells.shape[1], most_columns)
    found = pooled(cells, rows, columns).cells
    assert found.max() == cells.max()
    for r, c in np.argwhere(cells == NONFINITE).tolist():
        assert found[np.searchsorted(rows, r, "right") - 1, np.searchsorted(columns, c, "right") - 1] == NONFINITE
    for r, of_row in enumerate(parts(len(cells), rows)):
        for c, of_column in enumerate(parts(cells.shape[1], columns)):
            assert (found[r, c] == ABSENT) == (cells[of_row, of_column] == ABSENT).all()


@given(MAPS, st.integers(1, 5), st.integers(1, 7))
def test_ratios_are_pooled_by_the_one_farthest_from_1(cells: np.ndarray, most_rows: int, most_columns: int) -> None:
    """Each pooled cell is the one farthest from 0 either way; absent ones count only where there is no other."""
    rows, columns = starts_of(len(cells), most_rows), starts_of(cells.shape[1], most_columns)
    found = pooled_ratios(cells, rows, columns)
    for r, of_row in enumerate(parts(len(cells), rows)):
        for c, of_column in enumerate(parts(cells.shape[1], columns)):
            there = [cell for cell in cells[of_row, of_column].ravel().tolist() if cell != ABSENT]
            farthest = max(map(abs, there), default=-ABSENT)
            assert abs(int(found.cells[r, c])) == farthest
            assert found.cells[r, c] in (there or [ABSENT])


@given(arrays(np.float64, (3, 9), elements=st.one_of(st.floats(0), st.just(math.nan))))
def test_medians_are_those_of_finite_norms_above_0(norms: np.ndarray) -> None:
    """The median of a row is numpy's, of its finite norms above 0; NaN where it has none."""
    for row, found in zip(norms, medians(norms).tolist(), strict=True):
        usual = row[np.isfinite(row) & (row > 0)]
        if not usual.size:
            assert math.isnan(found)
        else:
            low, high = np.sort(usual)[[(usual.size - 1) // 2, usual.size // 2]]
            assert low <= found <= high
            assert math.isclose(found, np.median(usual / 4) * 4, rel_tol=1e-12, abs_tol=1e-320)


def test_a_cell_says_what_its_norm_is() -> None:
    """A cell is 100 · log10 of the norm over its median, or says that it is not finite, 0 or absent."""
    norms = np.array([[1.0, 10.0, 0.0, np.nan, np.inf, 0.0], [5e-324, 1e308, 0.0, 1.0, 2.0, 3.0]])
    present = np.array([[True] * 5 + [False], [True] * 6])
    found = cells_of(norms, present, np.array([2.0, 1.0]))
    assert found[0].tolist() == [-30, 70, ZERO, NONFINITE, NONFINITE, ABSENT]
    assert found[1].tolist() == [-32331, 30800, ZERO, 0, 30, 48]


@given(MAPS)
def test_cells_are_written_without_loss(cells: np.ndarray) -> None:
    """A row is one text of digits of base 36, as many for each cell, from which every cell comes back."""
    written, kinds = written_cells(cells), [ABSENT, ZERO, NONFINITE]
    read = [[int(row[at : at + written.width], 36) for at in range(0, len(row), written.width)] for row in written.rows]
    assert [[kinds[n] if n < 3 else n - 3 + least_of(cells) for n in row] for row in read] == cells.tolist()


def test_texts_are_no_wider_than_the_largest_number() -> None:
    """Cells that are far apart take more digits."""
    assert Written.of(np.array([[0, 35]])) == (["0z"], 1)
    assert Written.of(np.array([[0, 36], [1295, 7]])) == (["0010", "zz07"], 2)
