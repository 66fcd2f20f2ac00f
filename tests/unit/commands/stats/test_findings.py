"""What stands out of a series is found: what explodes and rose first, what grows, vanishes, and the trend."""

import math
import statistics

import numpy as np
import pytest

from gradclip_cli.commands.stats.plan import StatsPlan
from gradclip_cli.inputs.layouts.single import single
from gradclip_cli.reports.stats import StatsReport
from gradclip_cli.reports.stats_findings import Exploding
from gradclip_cli.strategies.base import Norm
from unit.commands.stats.made import series_of


def of_norms(*rows: tuple[float, ...], p: float = 2.0) -> StatsReport:
    """The report on blocks `h.0`, `h.1` and so on, of one element each with these values step by step."""
    steps = [{f"h.{k}.w": [value] for k, value in enumerate(row)} for row in rows]
    return series_of(*steps, plan=StatsPlan((single("a"),), norm=Norm(p)))


CALM = [(1.0, 2.0), (1.1, 2.0), (0.9, 2.1), (1.0, 1.9)] * 5


def test_a_calm_series_has_nothing_to_tell() -> None:
    """No finding is made of what stays as it is."""
    found = of_norms(*CALM)
    assert (found.exploding, found.first, found.vanishing) == (None, None, None)
    assert list(found.growing) == []
    assert found.trend is not None
    assert (found.trend.kind, found.trend.settled, found.trend.threshold) == ("steady", None, None)


def test_what_explodes_and_what_rose_first() -> None:
    """The highest step is told with all that explode; the block that stood high before the others is named."""
    rows = [*CALM]
    rows[13], rows[14] = (9.0, 2.0), (50.0, 100.0)
    found = of_norms(*rows)
    whole = math.hypot(50.0, 100.0)
    usual = statistics.median(math.hypot(*row) for row in rows[:14])
    assert found.exploding is not None
    assert found.exploding._replace(times=0.0) == Exploding("step14.npz", 14, whole, 0.0, 1, [(14, 14)])
    assert found.exploding.times == pytest.approx(whole / usual)
    assert found.first is not None
    assert (found.first.at, found.first.step, found.first.names) == (14, 13, ["h.0"])


def test_one_dump_has_no_first() -> None:
    """Of a single dump there is no before."""
    found = of_norms((math.nan, 1.0))
    assert (found.first, found.trend) == (None, None)


def test_what_vanishes() -> None:
    """Tensors vanish if norm / √elements is below the 1e-7 of `check` at every step; zeros and larger ones do not."""
    small = {"h.0.w": [1e-9, 2e-9], "h.1.w": [3e-9, 0.0], "h.2.w": [0.0, 0.0], "h.3.w": [1.0, 1.0]}
    found = series_of(small, small).vanishing
    assert found is not None
    assert (found.blocks, found.tensors) == (["h.0", "h.1"], 2)
    assert found.norm == pytest.approx((math.hypot(1e-9, 2e-9) + 3e-9) / 2)
    once = {**small, "h.0.w": [1e-9, 1e-3]}
    again = series_of(small, once).vanishing
    assert again is not None
    assert again.blocks == ["h.1"]


def test_no_norm_of_a_small_p_tells_of_the_mean() -> None:
    """For P below 1 a norm may be above or below the mean, so that nothing is said."""
    assert of_norms((1e-9,), (1e-9,), p=0.5).vanishing is None
    assert of_norms((1e-9,), (1e-9,), p=1.0).vanishing is not None


def test_the_trend_says_what_the_part_after_gives() -> None:
    """A run that falls and stays tells its levels, the first step of the part after, and its 90th percentile."""
    norms = [*(10.0 - k / 2 for k in range(16)), *[2.0, 2.1] * 15]
    found = of_norms(*((norm,) for norm in norms)).trend
    assert found is not None
    assert (found.kind, found.start, found.end) == ("falls", 10.0, pytest.approx(2.05))
    assert found.settled == 6  # the median of steps 6 to 25 is 2.3, within a quarter of 2.05
    assert found.threshold == pytest.approx(np.percentile(norms[6:], 90))


def test_blocks_by_rise() -> None:
    """Blocks are in the order of their largest norm over their median."""
    rows = [*CALM]
    rows[7] = (1.0, 6.0)
    assert [(one.block, one.max, one.row) for one in of_norms(*rows).rises] == [("h.1", 6.0, 7), ("h.0", 1.1, 1)]
