"""Comparisons of steps add up to that of one long vector."""

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.tensors import raw_of

from gradclip_cli.commands.diff.totals import Totals
from gradclip_cli.numerics.comparison import Comparison, compare_piece, merge
from gradclip_cli.numerics.differences import Tolerance
from gradclip_cli.numerics.dtypes import FLOAT64
from gradclip_cli.numerics.workspace import Workspace

WORK = Workspace()
Wide = NDArray[np.float64]


def compared(a: Wide, b: Wide, scales: tuple[float, float] = (1.0, 1.0)) -> Comparison:
    """Compare two vectors as they are stored, with these loss scales."""
    kinds = FLOAT64, FLOAT64
    return merge([compare_piece(raw_of(a), raw_of(b), kinds, Tolerance(), WORK, scales)], kinds, scales)


def figures(found: Comparison) -> tuple[Any, ...]:
    """Return norms, product and distance as numbers."""
    assert found.a is not None
    assert found.b is not None
    assert found.product is not None
    assert found.distance is not None
    exponent, value = found.product
    return found.a.norm, found.b.norm, value * 2.0 ** max(-1000, min(exponent, 900)), found.distance.norm


@pytest.mark.parametrize("factor", [1.0, 1e150, 1e-170, 1e200])
def test_steps_are_one_vector(factor: float) -> None:
    """Sums of many steps are those of all elements, also near the ends of float64."""
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 50, 7)) * factor
    totals = Totals()
    for x, y in zip(a, b, strict=True):
        totals.add({"w": compared(x, y)})
    one = compared(a.ravel(), b.ravel())
    found = totals.comparisons()["w"]
    assert found.difference == one.difference
    assert figures(found)[:2] == pytest.approx(figures(one)[:2], rel=1e-15)
    assert figures(found)[3] == pytest.approx(figures(one)[3], rel=1e-15)


def test_loss_scales_are_taken_out() -> None:
    """Steps with other loss scales add up in true units."""
    a, b = np.array([3.0, 4.0]), np.array([6.0, 8.0])
    totals = Totals()
    totals.add({"w": compared(a * 1024, b * 3, (1024.0, 3.0))})
    totals.add({"w": compared(a, b)})
    expected = math.sqrt(50), math.sqrt(200), 100.0, math.sqrt(50)
    assert figures(totals.comparisons()["w"]) == pytest.approx(expected, rel=1e-15)


def test_tensors_may_come_and_go() -> None:
    """A tensor adds up over the steps that have it; what is not finite stays so."""
    totals = Totals()
    totals.add({"w": compared(np.array([3.0]), np.array([3.0]))})
    totals.add({"v": compared(np.array([1.0]), np.array([2.0])), "w": compared(np.array([4.0]), np.array([4.0]))})
    totals.add({"v": compared(np.array([math.nan]), np.array([2.0]))})
    found = totals.comparisons()
    assert figures(found["w"]) == (5.0, 5.0, 25.0, 0.0)
    assert found["w"].difference.same
    assert [math.isnan(figures(found["v"])[k]) for k in (0, 1, 3)] == [True, False, True]


def test_adding_loses_nothing() -> None:
    """What one addition rounds away, a later one brings back."""
    totals = Totals()
    for value in (1e8, *[1e-8] * 1000):
        totals.add({"w": compared(np.array([value]), np.array([0.0]))})
    square = totals.comparisons()["w"].a
    assert square is not None
    assert square.square == (0, math.fsum([1e8 * 1e8, *[1e-8 * 1e-8] * 1000]))
