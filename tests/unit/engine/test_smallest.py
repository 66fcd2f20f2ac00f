"""The smallest magnitude above 0 is found in every dtype, for each of several small tensors too."""

import math
from typing import Any

import numpy as np
import pytest
from support.tensors import ORACLES, raw_of

from gradclip_cli.engine.measure import seen
from gradclip_cli.engine.smallest import Smallest, smallest
from gradclip_cli.numerics.dtypes import COMPLEX64, FLOAT32, FLOATS, DType, swapped
from gradclip_cli.numerics.statistics import PieceStats
from gradclip_cli.numerics.workspace import Workspace
from gradclip_cli.tensors import Piece, TensorSpec

STATS = PieceStats((0, 0, 0, 0, 0), 0.0, (), ())


@pytest.mark.parametrize("dtype", FLOATS, ids=lambda dtype: dtype.name)
def test_zeros_and_what_is_not_finite_do_not_count(dtype: DType) -> None:
    """The smallest is above 0 and finite, whatever its sign; without one it is infinite."""
    kind = ORACLES[dtype.name]
    array = np.array([0, -0.0, 3, -0.5, np.nan, 2], kind)
    assert smallest(raw_of(array), dtype, [], Workspace()).tolist() == [0.5]
    for none in (np.zeros(5, kind), np.full(3, np.nan, kind), np.zeros(0, kind)):
        assert smallest(raw_of(none), dtype, [], Workspace()).tolist() == [math.inf]


def test_the_smallest_subnormal_is_found() -> None:
    """Subnormal numbers are above 0."""
    assert smallest(raw_of(np.array([1, 1e-45], np.float32)), FLOAT32, [], Workspace()).tolist() == [
        float(np.float32(1e-45))
    ]


def test_each_of_several_tensors_has_its_own() -> None:
    """Adjacent tensors are told apart, also around one without elements."""
    array = np.array([3, 1, 0, 0, 5], np.float32)
    found = smallest(raw_of(array), FLOAT32, [2, 0, 2, 1, 0], Workspace())
    assert found.tolist() == [1, math.inf, math.inf, 5, math.inf]


def test_byte_order_and_complex_numbers() -> None:
    """Elements of the other byte order are the same numbers; complex ones count by their moduli."""
    array = np.array([3, 2], np.float32)
    assert smallest(raw_of(array.byteswap()), swapped(FLOAT32), [], Workspace()).tolist() == [2]
    numbers = np.array([3 + 4j, 0, 6 + 8j, np.nan + 1j], np.complex64)
    assert smallest(raw_of(numbers), COMPLEX64, [1, 1, 2], Workspace()).tolist() == [5, math.inf, 10]


def test_pieces_and_files_are_put_together() -> None:
    """The values are those of all tensors of a dump, file by file, each the least of its pieces."""
    found = Smallest(Workspace())

    class Reader:
        tensors = (TensorSpec("a", FLOAT32, (4,), 0), TensorSpec("b", FLOAT32, (1,), 16))

    for _ in range(2):
        observe: Any = found.observer_for(None, Reader())  # type: ignore[arg-type]
        for piece, values in ((Piece(0, 1, 2, 4), [7, 6]), (Piece(0, 1, 0, 2), [9, 8])):
            observe.take_all(seen(observe.see, piece, raw_of(np.array(values, np.float32)), STATS))
    assert found.values().tolist() == [6, math.inf, 6, math.inf]
