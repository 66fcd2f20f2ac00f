"""A strategy over units gives each of them a factor, and each piece of a tensor those of its own units."""

import numpy as np

from gradclip_cli.numerics.dtypes import FLOAT64
from gradclip_cli.numerics.unit_layout import UnitLayout
from gradclip_cli.numerics.workspace import Workspace
from gradclip_cli.strategies import find
from gradclip_cli.strategies.unit_actions import UnitRatios

NORMS = np.array([0.5, 2.0, 0.0, np.nan])


def test_only_units_above_their_limit_are_clipped() -> None:
    """The factor is limit / norm above the limit and 1 below; a norm of 0 is kept, and NaN is not."""
    found = UnitRatios.of(find("clip-by-unit-norm"), NORMS, 1.0, None)
    assert found.clipped.tolist() == [False, True, False, True]
    np.testing.assert_array_equal(found.factors, [1.0, 0.5, 1.0, np.nan])


def test_limits_may_differ_and_units_may_be_held() -> None:
    """Each unit has its own limit; one that is held stays, whatever its norm."""
    found = UnitRatios.of(find("agc"), NORMS, np.array([0.1, 4.0, 0.0, 1.0]), np.array([False, False, False, True]))
    assert found.factors.tolist() == [0.2, 1.0, 1.0, 1.0]


def test_a_piece_has_the_factors_of_its_units() -> None:
    """The action on a piece whose units begin at the second scales by the factors from there on."""
    found = UnitRatios.of(find("clip-by-unit-norm"), np.array([1.0, 2.0, 4.0]), 1.0, None)
    action = found.action(UnitLayout.of((2, 3), first=True), 1, has_nan=False)
    array = np.ones((2, 3))
    assert action.factor is None
    assert action.at(0).apply(array.reshape(-1).view(np.uint8), FLOAT64, Workspace()) == 6
    np.testing.assert_array_equal(array, [[0.5] * 3, [0.25] * 3])
