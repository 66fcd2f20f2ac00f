"""What one may write for a threshold in place of a number, and what any rule needs to choose from."""

import math
from collections.abc import Sized
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol, Self

from gradclip_cli.errors import InputError, UsageError
from gradclip_cli.text import real


@dataclass(frozen=True)
class Named:
    """What one may write after `-t` or `--rule`, which `str()` gives back."""

    name: str
    source: str
    argument: float | None = None
    limits: tuple[float, float] = (0.0, math.inf)

    def __str__(self) -> str:
        return self.name if self.argument is None else f"{self.name}:{self.argument!r}".removesuffix(".0")

    def given(self, text: str) -> Self:
        """Return this rule with another argument."""
        value = real(text)
        low, high = self.limits
        if self.argument is None:
            raise UsageError(f"the rule {self.name} takes no argument")
        if value is None or not low <= value <= high or math.isinf(value):
            raise UsageError(f"the rule {self.name} needs a number from {low:g} to {high:g}, not {text!r}")
        return replace(self, argument=value)


_LOOK = "look at it with `gradclip check`, and leave it out, or clip the rest of it by `apply --nonfinite zero`"


class Samples(Protocol):
    """Norms to choose from, as far as is asked whether there are any."""

    nonfinite: int

    @property
    def finite(self) -> Sized:
        """Those that are neither NaN nor infinite."""


def require(rule: Named, samples: Samples, what: str, path: str | None = None) -> None:
    """Raise InputError where no norm is finite: no rule can choose from that."""
    if not len(samples.finite):
        which = f"all {samples.nonfinite:,} norms are" if samples.nonfinite > 1 else "its one norm is"
        bad = f"{which} NaN or infinite; {_LOOK}"
        reason = bad if samples.nonfinite else "there is no norm; give dumps with gradients"
        raise InputError(f"no threshold can be chosen by {rule} for {what}: {reason}", path=path)


EXPLODING_FACTOR = 10.0
"""A norm above so many times what is usual for its group explodes, unless a user says otherwise."""

EXPLODING_DUMPS = 5
"""Of fewer finite norms nothing is said to explode, unless a user says otherwise."""


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
