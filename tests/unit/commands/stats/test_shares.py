"""The blocks of one dump are told by their share of its norm."""

import math

import pytest

from gradclip_cli.commands.stats.plan import StatsPlan
from gradclip_cli.inputs.layouts.single import single
from gradclip_cli.reports.stats import StatsSize
from gradclip_cli.strategies.base import Norm
from unit.commands.stats.made import series_of

DUMP = {"h.0.a.w": [3.0, 0.0], "h.0.b.w": [4.0], "x.w": [12.0, 0.0, 0.0, 0.0]}


def test_shares_of_the_squared_norm() -> None:
    """The largest block comes first; 5² of 13² is one share, and zeros count over all tensors of a block."""
    first, second = series_of(DUMP).shares or []
    assert tuple(first) == ("x", 12.0, pytest.approx(144 / 169), 6.0, 12.0, 3, 4)
    assert tuple(second) == ("h.0", 5.0, pytest.approx(25 / 169), pytest.approx(5 / math.sqrt(3)), 4.0, 1, 3)


def test_other_norms_have_their_own_share() -> None:
    """Of an L1 norm the share is one of the sum, and there is no mean square; the largest |g| has no share."""
    one = series_of(DUMP, plan=StatsPlan((single("a"),), norm=Norm(1.0))).shares or []
    assert [(row.share, row.rms) for row in one] == [(12 / 19, None), (7 / 19, None)]
    top = series_of(DUMP, plan=StatsPlan((single("a"),), norm=Norm(math.inf))).shares or []
    assert [row.share for row in top] == [None, None]


def test_what_is_not_finite_comes_first() -> None:
    """A block with NaN has no share, and takes those of the others."""
    first, second = series_of({"a.w": [1.0], "b.w": [math.nan]}).shares or []
    assert (first.block, first.share, second.block, second.share) == ("b", None, "a", None)


def test_only_one_dump_has_shares() -> None:
    """A series has steps instead."""
    assert series_of(DUMP, DUMP).shares is None


def test_what_a_dump_holds() -> None:
    """Tensors and values are those of one dump."""
    assert series_of(DUMP, DUMP).size == StatsSize(3, 7, ["float64"])
