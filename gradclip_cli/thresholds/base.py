"""Share what all rules need: their names and arguments, and the summary of the norms that they choose from."""

import math
from collections.abc import Sized
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol, Self

from gradclip_cli.errors import InputError, UsageError
from gradclip_cli.text import real


@dataclass(frozen=True)
class Named:
    """A rule as a user writes it after `-t` or `--rule`, such as `percentile:90`; `str()` returns this text."""

    name: str
    source: str
    argument: float | None = None
    limits: tuple[float, float] = (0.0, math.inf)

    def __str__(self) -> str:
        return self.name if self.argument is None else f"{self.name}:{self.argument!r}".removesuffix(".0")

    def given(self, text: str) -> Self:
        """Return this rule with the argument in `text`; raise UsageError if it takes none or not this one."""
        value = real(text)
        low, high = self.limits
        if self.argument is None:
            raise UsageError(f"the rule {self.name} takes no argument")
        if value is None or not low <= value <= high or math.isinf(value):
            raise UsageError(f"the rule {self.name} needs a number from {low:g} to {high:g}, not {text!r}")
        return replace(self, argument=value)


_LOOK = "look at it with `gradclip check`, and leave it out, or clip the rest of it by `apply --nonfinite zero`"


class Samples(Protocol):
    """Norms that a rule chooses from; `require` needs only these two attributes."""

    nonfinite: int

    @property
    def finite(self) -> Sized:
        """The norms that are neither NaN nor infinite."""


def require(rule: Named, samples: Samples, what: str, path: str | None = None) -> None:
    """Raise InputError if no norm is finite, since no rule can choose a threshold then."""
    if not len(samples.finite):
        which = f"all {samples.nonfinite:,} norms are" if samples.nonfinite > 1 else "its one norm is"
        bad = f"{which} NaN or infinite; {_LOOK}"
        reason = bad if samples.nonfinite else "there is no norm; give dumps with gradients"
        raise InputError(f"no threshold can be chosen by {rule} for {what}: {reason}", path=path)


DEVIATION = 1.4826
"""The standard deviation of normally distributed values over the median of their distances from the middle."""

EXPLODING_FACTOR = 5.0
"""Default factor: a norm explodes if it is above so many times the median of its neighbours, the steps before it."""

EXPLODING_DUMPS = 5
"""Default number of finite norms below which a series is not judged."""


MIN_STEPS = 10
"""Fewer steps, or samples, than this call for a caveat."""

PERCENTILES = (90.0, 95.0, 99.0)


class Summary(NamedTuple):
    """Figures of the finite samples, NaN if there are none; `nonfinite` counts the others, `std` is of the population."""

    count: int  # type: ignore[assignment]  # hides `tuple.count`, which nobody calls
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
    """Return the indices of the two sorted samples (of `count`) around a percentile, and its position between them (0 to 1).

    >>> between(5, 90.0)
    (3, 4, 0.6000000000000001)
    """
    at = percent / 100 * (count - 1)
    low = int(at)
    return low, min(low + 1, count - 1), at - low
