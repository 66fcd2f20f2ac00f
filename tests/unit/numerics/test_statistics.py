"""What is known of a tensor."""

import math

import pytest

from gradclip_cli.numerics.statistics import TensorStats


@pytest.mark.parametrize(
    ("stats", "expected"),
    [
        (TensorStats(nan=1, posinf=1), math.nan),
        (TensorStats(neginf=1), math.inf),
        (TensorStats(posinf=1), math.inf),
        (TensorStats(), 1.5),
    ],
)
def test_as_read(stats: TensorStats, expected: float) -> None:
    """A figure of a tensor as read is NaN if a NaN is there, else infinite if an infinity is, else that of the finite elements."""
    assert repr(stats.as_read(1.5)) == repr(expected)
