"""Compute the charts of `stats`: bars of norms, a histogram of dumps and its marks, all on log scales."""

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from gradclip_cli.reports.stats import StatsReport

GLOBAL = "clip-by-global-norm"
"""The strategy that compares the norms of dumps."""


class LogScale(NamedTuple):
    """The smallest and the largest value that a log scale shows."""

    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "LogScale":
        """Return the scale of the finite values above 0."""
        placed = [value for value in values if 0 < value < math.inf]
        return cls(min(placed, default=1.0), max(placed, default=1.0))

    def place(self, value: float, count: int) -> int:
        """Return the place of a value among `count`; zeros share that of the smallest value."""
        span = math.log(self.high) - math.log(self.low)  # 0 also for two adjacent float64
        if value <= self.low or span <= 0:
            return 0
        share = (math.log(value) - math.log(self.low)) / span
        return min(count - 1, max(0, round(share * (count - 1))))


def run_scale(rows: Iterable[Sequence[float | None]]) -> LogScale:
    """Return the scale for norms over their medians: at least from 0.8 to 2, so that norms that hardly change look flat."""
    low, high = LogScale.of([ratio for row in rows for ratio in row if ratio is not None])
    return LogScale(min(_HIGHEST_LOW, max(low, _LOWEST)), max(high, _LEAST_HIGH))


_LOWEST, _HIGHEST_LOW, _LEAST_HIGH = 0.05, 0.8, 2.0
"""The range of the lower end of that scale, and the least of its upper end."""


def bars(values: Sequence[float | None], most: int) -> list[float | None]:
    """Return at most `most` bars, each the largest of a run of values; None if all of these are None, NaN if one is not finite."""
    size = math.ceil(len(values) / max(1, most))
    return [_bar([one for one in values[k : k + size] if one is not None]) for k in range(0, len(values), size)]


def _bar(values: Sequence[float]) -> float | None:
    return max(values, default=None) if all(map(math.isfinite, values)) else math.nan


def bins(values: Sequence[float], scale: LogScale, count: int) -> list[int]:
    """Count the values in each of `count` places of a scale."""
    found = [0] * count
    for value in values:
        found[scale.place(value, count)] += 1
    return found


def marks(report: "StatsReport") -> dict[str, float]:
    """Return the marks of a histogram of dumps: each is a letter and its meaning, with a value."""
    total = report.total
    found = {"m median": total.median, "9 p90": total.p90, "M mean": total.mean}
    chosen = next((row for row in report.suggestions if row.strategy == GLOBAL), None)
    if chosen is not None and chosen.threshold is not None:
        found[f"T threshold by {chosen.rule}"] = chosen.threshold
    advised = report.advice
    if advised is not None and advised.threshold is not None and advised.doubtful and advised.strategy == GLOBAL:
        found[f"A advised, {advised.rule}"] = advised.threshold
    return found
