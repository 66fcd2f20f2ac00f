"""Histories of the adaptive rules that clip by one norm, such as AutoClip and ZClip."""

import math
from bisect import insort
from typing import ClassVar, Protocol

from gradclip_cli.thresholds.base import between


class History(Protocol):
    """What a threshold depends on of the norms of one group so far."""

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
    `warmup_steps=25`, but without its additional constant limit `max_grad_norm=1.0`, which is `most` here:

        steps 1 to 25   clipped at `most` alone; mean and var are then those of these norms (var of the population)
        later steps     z = (n - mean) / (std + 1e-6)
                        c = factor · (mean + Z · std · Z / z) if z > Z: "reciprocal", so the higher the spike, the closer
                            to the mean; with the option "mean" c = mean; in the mode "percentile" c = mean + Z · std if n > c
                        x = c where there is one, else n; the step is clipped at min(x, most)
                        mean ← 0.97 mean + 0.03 x, then var ← 0.97 var + 0.03 (x - mean)², about the new mean; no bias
                            correction; not after a spike if `skip` is set (`skip_update_on_spike`)

    Differences from the package: where it has no threshold, here it is the lowest norm that it would clip, mean +
    Z (std + 1e-6), or the limit. If c is 0, after norms of 0 only, it clips to 0 from then on; here such a step is not
    clipped, so x = n. Its factor is c / (n + 1e-6), as ours is with an epsilon of 1e-6.
    """

    warm_up: ClassVar[int] = 25
    alpha: ClassVar[float] = 0.97
    eps: ClassVar[float] = 1e-6

    def __init__(
        self,
        z: float,
        most: float = math.inf,
        mode: str = "zscore",
        option: str = "adaptive_scaling",
        factor: float = 1.0,
        *,
        skip: bool = False,
    ) -> None:
        self._z, self._most, self._factor, self._skip = z, most, factor, skip
        self._percentile, self._to_mean = mode == "percentile", option == "mean"
        self._first: list[float] = []
        self._mean = self._std = 0.0

    def step(self, norm: float) -> float:
        """Return the threshold of this step, and update mean and deviation by the clipped norm."""
        finite = math.isfinite(norm)
        if len(self._first) < self.warm_up:
            if finite:
                self._warm(norm)
            return self._most
        threshold = self._threshold(norm) if finite else self._bound()
        if finite and not (self._skip and norm > threshold):
            self._move(min(norm, threshold) if threshold > 0 else norm)
        return min(threshold if threshold > 0 or math.isinf(self._most) else math.inf, self._most)

    def _warm(self, norm: float) -> None:
        self._first.append(norm)
        count = len(self._first)
        if count == self.warm_up:
            # Divide before adding: a sum of very large float64 numbers would overflow.
            self._mean = math.fsum(first / count for first in self._first)
            self._std = math.hypot(*(first - self._mean for first in self._first)) / math.sqrt(count)

    def _threshold(self, norm: float) -> float:
        if self._percentile:
            return self._bound()
        z = (norm - self._mean) / (self._std + self.eps)
        if z <= self._z:
            # Rounding may put the bound below a norm with z ≤ Z; a norm that is not clipped must not be above its threshold.
            return max(norm, self._bound())
        return self._mean if self._to_mean else (self._mean + self._z * self._std * (self._z / z)) * self._factor

    def _bound(self) -> float:
        return self._mean + self._z * (self._std if self._percentile else self._std + self.eps)

    def _move(self, norm: float) -> None:
        """Update mean and deviation by a norm; `hypot` is used because squares may overflow."""
        self._mean = self.alpha * self._mean + (1 - self.alpha) * norm
        kept, new = math.sqrt(self.alpha) * self._std, math.sqrt(1 - self.alpha) * (norm - self._mean)
        self._std = math.hypot(kept, new)
