"""Many small tensors are compared at once, with the bits of comparing each alone."""

import math
from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.tensors import raw_of

from gradclip_cli.numerics import dtypes
from gradclip_cli.numerics.comparison import Comparison, compare_piece, merge
from gradclip_cli.numerics.differences import Tolerance
from gradclip_cli.numerics.dtypes import DType
from gradclip_cli.numerics.norms import BLOCK
from gradclip_cli.numerics.small_comparison import compare_small
from gradclip_cli.numerics.workspace import Workspace

WORK = Workspace()
EXACT = Tolerance()
SIZES = [7, 7, 7, 1, 100, 100, BLOCK, 3]
Arrays = list[NDArray[Any]]
TYPES = {"float64": dtypes.FLOAT64, "float32": dtypes.FLOAT32, "float16": dtypes.FLOAT16}


def tensors(name: str, seed: int) -> Arrays:
    """Return tensors of several sizes, of which some neighbours have the same."""
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(size).astype(name) for size in SIZES]


def at_once(
    a: Arrays, b: Arrays, kinds: tuple[DType, DType], tolerance: Tolerance = EXACT, scale: float = 1.0
) -> list[Comparison | None]:
    """Compare all tensors together."""
    raws = raw_of(np.concatenate(a)), raw_of(np.concatenate(b))
    return compare_small(raws, kinds, [len(one) for one in a], tolerance, WORK, scale)


def alone(
    a: Arrays, b: Arrays, kinds: tuple[DType, DType], tolerance: Tolerance = EXACT, scale: float = 1.0
) -> list[Comparison]:
    """Compare each pair by itself."""
    scales = scale, scale
    return [
        merge([compare_piece(raw_of(x), raw_of(y), kinds, tolerance, WORK, scales)], kinds, scales)
        for x, y in zip(a, b, strict=True)
    ]


@pytest.mark.parametrize(("name", "other"), list(product(TYPES, repeat=2)))
@pytest.mark.parametrize("scale", [1.0, 1024.0])
@pytest.mark.parametrize("tolerance", [Tolerance(), Tolerance(0.5, 1e-3)])
def test_the_bits_of_each_alone(name: str, other: str, scale: float, tolerance: Tolerance) -> None:
    """Sums, largest differences and verdicts do not depend on the neighbours, under any dtypes, loss scale and tolerance."""
    a, b = tensors(name, 1), tensors(other, 2)
    b[1], b[4] = a[1].astype(other), np.zeros(100, other)
    kinds = TYPES[name], TYPES[other]
    assert at_once(a, b, kinds, tolerance, scale) == alone(a, b, kinds, tolerance, scale)


def test_a_distance_is_that_of_numpy() -> None:
    """|a - b| is the norm of the differences, in float64."""
    a, b = tensors("float32", 3), tensors("float32", 4)
    found = at_once(a, b, (dtypes.FLOAT32, dtypes.FLOAT32))
    for one, x, y in zip(found, a, b, strict=True):
        assert one is not None
        assert one.distance is not None
        expected = np.linalg.norm(x.astype(np.float64) - y.astype(np.float64))
        assert one.distance.norm == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("value", [math.nan, math.inf, 1e300, 1e-200])
def test_what_must_be_compared_alone(value: float) -> None:
    """A tensor with an element that is not finite, or whose square is out of range, is left; its neighbours are not."""
    a, b = tensors("float64", 5), tensors("float64", 6)
    a[3][:] = b[3][:] = value
    b[3][:] *= 2
    found, expected = at_once(a, b, (dtypes.FLOAT64, dtypes.FLOAT64)), alone(a, b, (dtypes.FLOAT64, dtypes.FLOAT64))
    assert [k for k, one in enumerate(found) if one is None] == [3]
    assert found[:3] + found[4:] == expected[:3] + expected[4:]
