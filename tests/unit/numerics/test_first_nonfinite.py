"""Elements that are not finite are found in stored bytes, and the first of each tensor among them in any order."""

import numpy as np
import pytest
from support.tensors import ORACLES, raw_of

from gradclip_cli.numerics.dtypes import FLOATS, from_numpy, swapped
from gradclip_cli.numerics.first_nonfinite import firsts, nonfinite_at, row_major
from gradclip_cli.numerics.workspace import Workspace


@pytest.mark.parametrize("name", [dtype.name for dtype in FLOATS])
def test_every_float_type(name: str) -> None:
    """NaN is kind 0, and infinities are 1 and 2; a type without them stores NaN instead."""
    with np.errstate(invalid="ignore"):
        values = np.array([1.0, np.nan, np.inf, -np.inf, -2.0]).astype(ORACLES[name])
    at, kinds = nonfinite_at(raw_of(values), from_numpy(values.dtype), Workspace())
    wide = values.astype(np.float64)
    assert at.tolist() == [1, 2, 3]
    assert kinds.tolist() == [0 if np.isnan(x) else 1 if x > 0 else 2 for x in wide[1:4]]


def test_bytes_in_the_other_order() -> None:
    """Big-endian elements are turned first."""
    raw = raw_of(np.array([1.0, -np.inf, np.nan]).astype(">f4"))
    at, kinds = nonfinite_at(raw, swapped(from_numpy(np.dtype(np.float32))), Workspace())
    assert (at.tolist(), kinds.tolist()) == ([1, 2], [2, 0])


def test_complex_elements() -> None:
    """An element with an infinite part is infinite, even if the other part is NaN."""
    values = np.array([1 + 1j, complex(np.nan, 1), complex(np.nan, np.inf), complex(0, -np.inf)], np.complex64)
    at, kinds = nonfinite_at(raw_of(values), from_numpy(values.dtype), Workspace())
    assert (at.tolist(), kinds.tolist()) == ([1, 2, 3], [0, 1, 1])


def test_the_first_of_each_tensor() -> None:
    """Of elements in any order the lowest position of each tensor is kept, with its kind."""
    tensors, positions, kinds = np.array([7, 2, 7, 2]), np.array([9, 4, 3, 8]), np.array([0, 1, 2, 0])
    found = firsts(tensors, positions, kinds)
    assert [one.tolist() for one in found] == [[2, 7], [4, 3], [1, 2]]


def test_positions_in_column_major_order() -> None:
    """Element k of a column-major array of shape (2, 3) is at these places of the row-major one."""
    assert row_major(np.arange(6), (2, 3)).tolist() == [0, 3, 1, 4, 2, 5]
