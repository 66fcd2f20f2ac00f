"""What a summary of norms says: mean, spread and percentiles."""

from typing import NamedTuple

PERCENTILES = (90.0, 95.0, 99.0)


class Summary(NamedTuple):
    """Figures of the finite samples (NaN where there is none); `nonfinite` counts the others, `std` is the population's."""

    count: int  # type: ignore[assignment]  # nobody counts the figures that are equal
    nonfinite: int
    mean: float
    std: float
    median: float
    mad: float
    min: float
    max: float
    p90: float
    p95: float
    p99: float


def between(count: int, percent: float) -> tuple[int, int, float]:
    """Return between which two of `count` sorted samples a percentile lies, and how far from the first to the second.

    >>> between(5, 90.0)
    (3, 4, 0.6000000000000001)
    """
    at = percent / 100 * (count - 1)
    low = int(at)
    return low, min(low + 1, count - 1), at - low
