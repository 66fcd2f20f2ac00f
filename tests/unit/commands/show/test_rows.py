"""The rows of a dump are its blocks and tensors, the largest first."""

import math

import numpy as np
import pytest
from support.tensors import dump_of

from gradclip_cli.commands.show.rows import Rows, joined, no_gradients, rows_of
from gradclip_cli.inputs.naming import Naming

ARRAYS = {
    "h.0.w": np.array([3.0, 4.0], np.float32),
    "h.0.b": np.array([0.0, 12.0], np.float32),
    "h.1.w": np.array([1.0, np.nan, -math.inf], np.float32),
    "head.w": np.zeros((2, 2), np.float32),
    "head.none": np.zeros(0, np.float32),
    "step": np.array([7]),
}


def rows() -> Rows:
    """Return the rows of the dump."""
    smallest = {"h.0.w": 3.0, "h.0.b": 12.0, "h.1.w": 1.0}
    dump = dump_of(ARRAYS)
    return rows_of(dump, [smallest.get(name, math.inf) for name in dump.named], Naming().block)


def test_what_is_not_finite_comes_first_and_then_the_largest() -> None:
    """Rows are in the order of what a user looks for."""
    assert [row.name for row in rows().params] == ["h.1.w", "h.0.b", "h.0.w", "head.w", "head.none"]
    assert [row.block for row in rows().blocks] == ["h.1", "h.0", "head"]


def test_figures_are_of_the_finite_elements_but_for_the_norm() -> None:
    """A norm is NaN where an element is; the other figures leave out what is not finite, which is counted."""
    broken, largest, *_ = rows().params
    assert math.isnan(broken.norm or 0)
    assert (broken.finite_norm, broken.rms, broken.max_abs, broken.min_abs) == (1.0, 1.0, 1.0, 1.0)
    assert (broken.nan, broken.inf, broken.zeros) == (1, 1, 0)
    assert (largest.norm, largest.share, largest.zeros) == (12.0, pytest.approx(144 / 170), 1)


def test_blocks_hold_their_tensors() -> None:
    """The figures of a block are those of its tensors together."""
    block = rows().blocks[1]
    assert (block.tensors, block.elements, block.norm) == (2, 4, 13.0)
    assert (block.share, block.rms) == (pytest.approx(169 / 170), pytest.approx(6.5))
    assert (block.max_abs, block.min_abs, block.zeros) == (12.0, 3.0, 1)


def test_nothing_has_no_figures() -> None:
    """A tensor of zeros has no smallest element above 0, one without elements no largest either, and no rms."""
    zeros, none = rows().params[3:]
    assert (zeros.norm, zeros.rms, zeros.max_abs, zeros.min_abs) == (0.0, 0.0, 0.0, None)
    assert (none.norm, none.rms, none.max_abs, none.min_abs) == (0.0, None, None, None)


def test_all_of_it_is_one_row() -> None:
    """The total counts every gradient."""
    total = rows().total
    assert (total.tensors, total.elements, total.nan, total.inf, total.zeros) == (5, 11, 1, 1, 5)
    assert (total.finite_norm, total.max_abs, total.min_abs) == (pytest.approx(math.sqrt(170)), 12.0, 1.0)


def test_a_dump_without_gradients_has_no_rows() -> None:
    """Nothing is a total of 0."""
    found = rows_of(dump_of({"step": ARRAYS["step"]}), [], Naming().block)
    assert (found.blocks, found.params, found.total.norm, found.total.rms) == ([], [], 0.0, None)


def test_what_is_no_gradient_has_no_figures() -> None:
    """Other tensors are listed by their dtypes, if they are selected."""
    (row,) = no_gradients(dump_of(ARRAYS), lambda name: True, Naming().block)
    assert (row.name, row.dtype, row.elements, row.norm, row.nan) == ("step", "int64", 1, None, None)
    assert no_gradients(dump_of(ARRAYS), lambda name: False, Naming().block) == []


def test_what_is_no_gradient_comes_last() -> None:
    """Gradients are followed by the other tensors, one by one and in slices."""
    dump = dump_of(ARRAYS)
    every = joined(rows().params, no_gradients(dump, lambda name: True, Naming().block))
    assert [row.name for row in every] == ["h.1.w", "h.0.b", "h.0.w", "head.w", "head.none", "step"]
    assert (len(every), every[5].name, [row.name for row in every[4:]]) == (6, "step", ["head.none", "step"])
