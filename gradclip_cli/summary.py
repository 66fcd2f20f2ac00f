"""Summaries of samples: mean, spread and percentiles of norms over steps."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PERCENTILES = (90.0, 95.0, 99.0)


@dataclass(frozen=True, slots=True)
class Summary:
    """Figures of the finite samples (NaN where there is none); `nonfinite` counts the others, `std` is the population's."""

    count: int
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


class Samples:
    """Norms that a strategy would compare with its threshold."""

    def __init__(self, values: Iterable[float]) -> None:
        values = list(values)
        self.finite = [value for value in values if math.isfinite(value)]
        self.nonfinite = len(values) - len(self.finite)

    def summary(self) -> Summary:
        """Summarise the samples."""
        import numpy as np

        return summaries(np.array([[*self.finite, *([math.nan] * self.nonfinite)]]).T)[0]

    def clip_rate(self, threshold: float, epsilon: float = 0.0) -> float:
        """Return the share of finite samples that are above `threshold` once `epsilon` is added."""
        return sum(value + epsilon > threshold for value in self.finite) / len(self.finite)

    def mean_factor(self, threshold: float, epsilon: float = 0.0) -> float:
        """Return the mean of min(1, c / (n + epsilon)) over the finite samples."""
        lengths = [value + epsilon for value in self.finite]
        return math.fsum(threshold / length if length > threshold else 1.0 for length in lengths) / len(lengths)


def summaries(matrix: "NDArray[np.float64]") -> list[Summary]:
    """Summarise each column of `matrix` (samples × columns)."""
    import numpy as np

    finite = np.isfinite(matrix)
    if finite.all():
        return _summarised(matrix)
    return [
        _summarised(column[kept, None], int((~kept).sum()))[0] for column, kept in zip(matrix.T, finite.T, strict=True)
    ]


def _summarised(matrix: "NDArray[np.float64]", nonfinite: int = 0) -> list[Summary]:
    """Summarise columns of finite samples, scaled by a power of two so that no square overflows."""
    import numpy as np

    count, columns = matrix.shape
    if not count:
        return [Summary(0, nonfinite, *(math.nan,) * 9)] * columns
    _, powers = np.frexp(np.abs(matrix).max(axis=0, initial=0))
    scaled = np.ldexp(matrix, -powers)
    ordered = np.sort(scaled, axis=0)
    median = _percentile(ordered, 50.0)
    figures = [
        scaled.mean(axis=0),
        scaled.std(axis=0),
        median,
        _percentile(np.sort(np.abs(scaled - median), axis=0), 50.0),
        ordered[0],
        ordered[-1],
        *(_percentile(ordered, percent) for percent in PERCENTILES),
    ]
    rows = np.ldexp(np.array(figures), powers).T.tolist()
    return [Summary(count, nonfinite, *row) for row in rows]


def _percentile(ordered: "NDArray[np.float64]", percent: float) -> "NDArray[np.float64]":
    """Interpolate linearly between the two nearest of the sorted rows, as numpy does by default."""
    at = percent / 100 * (len(ordered) - 1)
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    between: NDArray[np.float64] = ordered[low] + (at - low) * (ordered[high] - ordered[low])
    return between
