"""The norms of a run are judged step by step."""

import math

import pytest

from gradclip_cli.torch.watch import SpikeWatch

CALM = [1.0, 1.2, 0.9, 1.1, 1.0]


@pytest.mark.parametrize(
    ("norms", "told"),
    [
        ([*CALM, 9.9, 10.6], {6: "spike"}),  # the median before is 1.05
        ([*CALM, 10.0], {}),
        ([1.0, 500.0, 1.0], {}),  # too few norms for a baseline
        ([math.nan, 1.0], {0: "nonfinite"}),
        ([*CALM, math.inf, math.nan, 1.0, math.nan], {5: "nonfinite", 8: "nonfinite"}),
        ([*CALM, 50.0, 60.0, 1.0, 70.0], {5: "spike", 8: "spike"}),
        ([0.0] * 5 + [1e-30], {5: "spike"}),
    ],
)
def test_the_first_step_that_stands_out_is_told(norms: list[float], told: dict[int, str]) -> None:
    """A norm above ten times the median of those before is a spike; of several in a row, the first is told."""
    watch = SpikeWatch(10.0)
    found = {k: reason for k, norm in enumerate(norms) if (reason := watch.judge(norm))}
    assert found == told


def test_nan_never_enters_the_baseline() -> None:
    """After many NaN the baseline is that of the finite norms."""
    watch = SpikeWatch(10.0)
    for norm in [*CALM, *[math.nan] * 1000]:
        watch.judge(norm)
    assert watch.judge(1.0) is None
    assert watch.judge(11.0) == "spike"


def test_the_baseline_forgets() -> None:
    """It is the median of the last hundred finite norms: what a run has grown to is no spike."""
    watch = SpikeWatch(10.0)
    for norm in [1.0] * 200 + [8.0] * 100:
        assert watch.judge(norm) is None
    assert watch.judge(79.0) is None
    assert watch.judge(81.0) == "spike"
