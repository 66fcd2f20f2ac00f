"""The axis of norms, which the line, the histogram and the slider of the threshold share: logarithmic, with fixed ends."""

import math
import sys
from collections.abc import Iterable
from typing import Any, NamedTuple

HEIGHT = 260
"""Its length in pixels."""

_LEAST = math.log10(1.5)
"""The least length in decades, so that equal norms are a flat line in the middle."""

_PAD = 0.07
"""The share of the length that is left free at either end."""

_FAR = 2.0
"""A threshold lengthens the axis by so many decades at most."""

_ENDS = -307.0, 308.25
"""The decades of normal float64 numbers, which a browser can compute with."""


class NormAxis(NamedTuple):
    """The decadic logarithms of its ends."""

    low: float
    high: float

    @classmethod
    def of(cls, norms: Iterable[float], thresholds: Iterable[float]) -> "NormAxis":
        """Return the axis of norms that are finite and above 0, of which there is one at least, and of thresholds near them."""
        logs = [math.log10(norm) for norm in norms]
        low, high = min(logs), max(logs)
        near = [at for at in map(math.log10, thresholds) if low - _FAR <= at <= high + _FAR]
        low, high = min([low, *near]), max([high, *near])
        missing = max(0.0, _LEAST - (high - low)) / 2
        pad = missing + _PAD * (high - low)
        return cls(max(_ENDS[0], round(low - pad, 4)), min(_ENDS[1], round(high + pad, 4)))

    @property
    def domain(self) -> list[float]:
        """Its ends as norms."""
        return [drawn(10**self.low), drawn(10**self.high)]

    @property
    def scale(self) -> dict[str, Any]:
        """Its scale; a norm that is subnormal stands at the lower end."""
        clamp = {"clamp": True} if self.low == _ENDS[0] else {}
        return {"type": "log", "domain": self.domain, "nice": False, **clamp}

    def holds(self, value: float) -> bool:
        """Whether it shows a value."""
        return value > 0 and self.low <= math.log10(value) <= self.high

    def y(self, field: str, **axis: Any) -> dict[str, Any]:
        """Return the encoding of a field by height; `axis` is how its ticks look."""
        return {"field": field, "type": "quantitative", "scale": self.scale, **axis}


def drawn(value: float) -> float:
    """Round a number that is only drawn to five digits, which is less than a pixel, so that a spec is small and stays the same."""
    return min(float(f"{value:.5g}"), sys.float_info.max)
