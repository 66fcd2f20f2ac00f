"""Adaptive clipping: rules such as AutoClip and ZClip, which set a new threshold at each step from the norms so far."""

import math
from bisect import insort
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from gradclip_cli.thresholds.base import Named, between


class History(Protocol):
    """What a threshold depends on of the norms of one group so far; in the first `warm_up` steps there is no threshold."""

    warm_up: ClassVar[int]

    def step(self, norm: float) -> float:
        """Add the norm of the next step and return the threshold of that step; inf if there is none yet.

        A norm that is not finite is not added; its threshold depends on the others only. The result may be 0.
        """


class AutoClip:
    """Clips at the P-th percentile of all norms so far, including the current one, interpolated linearly.

    Source: Seetharaman, Wichern, Pardo and Le Roux (2020), "AutoClip: Adaptive Gradient Clipping for Source Separation
    Networks"; the same numbers as `numpy.percentile(history, P)` in the authors' `autoclip.py`. The paper chooses P = 10, so
    most steps are clipped by design. A step takes O(log n) comparisons; the norms of all steps are kept.
    """

    warm_up: ClassVar[int] = 0

    def __init__(self, percent: float) -> None:
        self._percent = percent
        self._ordered: list[float] = []

    def step(self, norm: float) -> float:
        """Return the percentile of the norms up to and including this one."""
        if math.isfinite(norm):
            insort(self._ordered, norm)
        if not self._ordered:
            return math.inf
        low, high, share = between(len(self._ordered), self._percent)
        return self._ordered[low] + share * (self._ordered[high] - self._ordered[low])


class ZClip:
    """Clips norms more than Z standard deviations above a moving mean; the higher the norm, the lower its threshold.

    Source: Kumar, Owen, Roy Chowdhury and Güra (2025), arXiv 2504.02507, as in the authors' package `zclip` 1.0.0 (class
    `ZClip`) with its defaults `mode="zscore"`, `clip_option="adaptive_scaling"`, `alpha=0.97`, `clip_factor=1` and
    `warmup_steps=25`, but without its additional constant limit, which also holds in the warm-up (`max_grad_norm=None`):

        steps 1 to 25   nothing is clipped; mean and var are then those of these norms (var of the population)
        later steps     z = (n - mean) / (std + 1e-6)
                        c = mean + Z · std · Z / z if z > Z: "reciprocal", so the higher the spike, the closer to the mean
                        x = c if z > Z, else n: the norm after clipping
                        mean ← 0.97 mean + 0.03 x, then var ← 0.97 var + 0.03 (x - mean)², about the new mean; no bias correction

    Two differences from the package: if z ≤ Z it has no threshold; here it is the lowest norm that it would clip, mean +
    Z (std + 1e-6). If c is 0, after norms of 0 only, it clips to 0 from then on; here such a step is not clipped, so x = n.
    """

    warm_up: ClassVar[int] = 25
    alpha: ClassVar[float] = 0.97
    eps: ClassVar[float] = 1e-6

    def __init__(self, z: float) -> None:
        self._z = z
        self._first: list[float] = []
        self._mean = self._std = 0.0

    def step(self, norm: float) -> float:
        """Return the threshold of this step, and update mean and deviation by the clipped norm."""
        finite = math.isfinite(norm)
        if len(self._first) < self.warm_up:
            if finite:
                self._warm(norm)
            return math.inf
        threshold = self._threshold(norm) if finite else self._bound()
        if finite:
            self._move(min(norm, threshold) if threshold > 0 else norm)
        return threshold

    def _warm(self, norm: float) -> None:
        self._first.append(norm)
        count = len(self._first)
        if count == self.warm_up:
            # Divide before adding: a sum of very large float64 numbers would overflow.
            self._mean = math.fsum(first / count for first in self._first)
            self._std = math.hypot(*(first - self._mean for first in self._first)) / math.sqrt(count)

    def _threshold(self, norm: float) -> float:
        z = (norm - self._mean) / (self._std + self.eps)
        # Rounding may put the bound below a norm with z ≤ Z; a norm that is not clipped must not be above its threshold.
        return self._mean + self._z * self._std * (self._z / z) if z > self._z else max(norm, self._bound())

    def _bound(self) -> float:
        return self._mean + self._z * (self._std + self.eps)

    def _move(self, norm: float) -> None:
        """Update mean and deviation by a norm; `hypot` is used because squares may overflow."""
        self._mean = self.alpha * self._mean + (1 - self.alpha) * norm
        kept, new = math.sqrt(self.alpha) * self._std, math.sqrt(1 - self.alpha) * (norm - self._mean)
        self._std = math.hypot(kept, new)


@dataclass(frozen=True)
class AdaptiveRule(Named):
    """A rule that sets a threshold at each step from the norms so far; each group has its own history."""

    history: Callable[[float], History] = field(kw_only=True)

    @property
    def warm_up(self) -> int:
        """The number of steps at the start of a history that have no threshold."""
        return self.begin().warm_up

    def begin(self) -> History:
        """Return a new, empty history for one group."""
        return self.history(self.argument or 0.0)


ADAPTIVE_RULES: tuple[AdaptiveRule, ...] = (
    AdaptiveRule("autoclip", "AutoClip (Seetharaman 2020)", 10.0, (0.0, 100.0), history=AutoClip),
    AdaptiveRule("zclip", "ZClip (Kumar 2025)", 2.5, history=ZClip),
)
"""All adaptive rules, each with the argument that its authors chose."""


def replay(rule: AdaptiveRule, norms: Iterable[float]) -> list[float]:
    """Return the threshold that a rule sets at each step of one group, in order; pass each to `limit` before applying it.

    >>> replay(ADAPTIVE_RULES[0].given("50"), [1.0, 3.0, 0.0])
    [1.0, 2.0, 1.0]
    """
    history = rule.begin()
    return [history.step(norm) for norm in norms]


def limit(threshold: float) -> float:
    """Return the threshold to apply: inf, which clips nothing, in place of 0, which `-t` refuses as well.

    >>> limit(0.5), limit(0.0)
    (0.5, inf)
    """
    return threshold if threshold > 0 else math.inf
