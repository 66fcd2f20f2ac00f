"""Adaptive clipping: rules whose threshold changes from step to step, as AutoClip and ZClip set it for one norm after the other."""

import math
from bisect import insort
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from gradclip_cli.thresholds.base import Named, between


class History(Protocol):
    """The norms of one group so far, as far as a threshold depends on them.

    In the first `warm_up` steps there is no threshold.
    """

    warm_up: ClassVar[int]

    def step(self, norm: float) -> float:
        """Take the norm of one more step and return its threshold; inf where there is none yet.

        A norm that is not finite is left out of the history: its threshold is what the others say. The result may be 0.
        """


class AutoClip:
    """The P-th percentile of all norms so far, the current one included, interpolated linearly.

    Seetharaman, Wichern, Pardo and Le Roux (2020), "AutoClip: Adaptive Gradient Clipping for Source Separation Networks";
    the same numbers as `numpy.percentile(history, P)` in the authors' `autoclip.py`. P = 10 is the paper's choice, so most steps
    are clipped by design. A step takes O(log n) comparisons; the norms of all steps are kept.
    """

    warm_up: ClassVar[int] = 0

    def __init__(self, percent: float) -> None:
        self._percent = percent
        self._ordered: list[float] = []

    def step(self, norm: float) -> float:
        """Return the percentile of the norms up to this one."""
        if math.isfinite(norm):
            insort(self._ordered, norm)
        if not self._ordered:
            return math.inf
        low, high, share = between(len(self._ordered), self._percent)
        return self._ordered[low] + share * (self._ordered[high] - self._ordered[low])


class ZClip:
    """What is more than Z standard deviations above a moving mean is clipped, the further above the harder.

    Kumar, Owen, Roy Chowdhury and Güra (2025), arXiv 2504.02507, as in the authors' package `zclip` 1.0.0 (class `ZClip`)
    with its defaults `mode="zscore"`, `clip_option="adaptive_scaling"`, `alpha=0.97`, `clip_factor=1`, `warmup_steps=25`,
    and without the constant limit that it lays over this, in the warm-up too (`max_grad_norm=None`):

        steps 1 to 25   nothing is clipped; then mean and var are those of these norms, var the population's
        after them      z = (n - mean) / (std + 1e-6)
                        c = mean + Z · std · Z / z if z > Z: "reciprocal", so the higher the spike, the closer to the mean
                        x = c if z > Z, else n: the norm as it is after clipping
                        mean ← 0.97 mean + 0.03 x, then var ← 0.97 var + 0.03 (x - mean)², about the new mean; no bias correction

    The package has no threshold where z ≤ Z; here it is the norm from which on it would clip, mean + Z (std + 1e-6). Where c would be
    0, after norms of 0 only, the package clips to 0 for ever after; here such a step stays as it is, so x = n.
    """

    warm_up: ClassVar[int] = 25
    alpha: ClassVar[float] = 0.97
    eps: ClassVar[float] = 1e-6

    def __init__(self, z: float) -> None:
        self._z = z
        self._first: list[float] = []
        self._mean = self._std = 0.0

    def step(self, norm: float) -> float:
        """Return the threshold of this step, and let the norm that is left move mean and deviation."""
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
            # Divided before they are added: a sum of the largest float64 would overflow.
            self._mean = math.fsum(first / count for first in self._first)
            self._std = math.hypot(*(first - self._mean for first in self._first)) / math.sqrt(count)

    def _threshold(self, norm: float) -> float:
        z = (norm - self._mean) / (self._std + self.eps)
        # Rounding may put the bound below a norm that z does not: what is not clipped must not be above it.
        return self._mean + self._z * self._std * (self._z / z) if z > self._z else max(norm, self._bound())

    def _bound(self) -> float:
        return self._mean + self._z * (self._std + self.eps)

    def _move(self, norm: float) -> None:
        """Move mean and deviation; by `hypot`, since squares may overflow."""
        self._mean = self.alpha * self._mean + (1 - self.alpha) * norm
        kept, new = math.sqrt(self.alpha) * self._std, math.sqrt(1 - self.alpha) * (norm - self._mean)
        self._std = math.hypot(kept, new)


@dataclass(frozen=True)
class AdaptiveRule(Named):
    """A way to set a threshold at each step from the norms so far; every group has a history of its own."""

    history: Callable[[float], History] = field(kw_only=True)

    @property
    def warm_up(self) -> int:
        """In how many steps at the start of a history there is no threshold."""
        return self.begin().warm_up

    def begin(self) -> History:
        """Return the history of a group before its first step."""
        return self.history(self.argument or 0.0)


ADAPTIVE_RULES: tuple[AdaptiveRule, ...] = (
    AdaptiveRule("autoclip", "AutoClip (Seetharaman 2020)", 10.0, (0.0, 100.0), history=AutoClip),
    AdaptiveRule("zclip", "ZClip (Kumar 2025)", 2.5, history=ZClip),
)
"""The rules whose threshold differs from step to step, each with its authors' argument."""


def replay(rule: AdaptiveRule, norms: Iterable[float]) -> list[float]:
    """Return the threshold that a rule sets at each step of one group, in the order of the steps; `limit` is what is applied.

    >>> replay(ADAPTIVE_RULES[0].given("50"), [1.0, 3.0, 0.0])
    [1.0, 2.0, 1.0]
    """
    history = rule.begin()
    return [history.step(norm) for norm in norms]


def limit(threshold: float) -> float:
    """Return the threshold that is applied: 0, which `-t` refuses as well, is none, and none is inf.

    >>> limit(0.5), limit(0.0)
    (0.5, inf)
    """
    return threshold if threshold > 0 else math.inf
