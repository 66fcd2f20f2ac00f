"""Adaptive rules, which decide at each step from the norms so far, and the histories of those that clip by one norm.

`skipping` has the rules that leave steps out, `adagc` the one that looks at all tensors, `replays` what replays any of them.
"""

import math
from bisect import insort
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol

from gradclip_cli.errors import UsageError
from gradclip_cli.strategies.base import Norm, Strategy
from gradclip_cli.strategies.builtin import CLIP_PER_PARAM_TYPE, GLOBAL
from gradclip_cli.thresholds.base import FLAG, Named, Parameter, between


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


@dataclass(frozen=True)
class AdaptiveRule(Named):
    """A rule that decides at each step from the norms so far; each group has its own history.

    `own` is the strategy that it is for, used where a user names none; if it is `bound`, no other kind of group will do.
    A rule that `skips` leaves out whole steps; one that `joins` makes L2 norms of several groups one.
    """

    own: Strategy = GLOBAL
    bound: bool = False
    skips: bool = False
    joins: bool = False
    idle: Callable[["AdaptiveRule"], int] | None = None

    @property
    def warm_up(self) -> int:
        """The number of steps at the start of a history in which nothing can be clipped or skipped."""
        return 0 if self.idle is None else self.idle(self)

    @property
    def needs_two(self) -> bool:
        """Whether one norm alone is never clipped: any percentile of it is that norm."""
        return self.name == "autoclip"

    def check(self, strategy: Strategy, norm: Norm | None = None) -> None:
        """Raise UsageError if the rule does not go with a strategy, or has no use for an epsilon or a type of norm."""
        self.complete()
        if not self.bound:
            return
        if strategy.group is not self.own.group:
            raise UsageError(f"the rule {self.name} is for {self.own.name}, not for {strategy.name}")
        if norm is not None and norm.epsilon:
            raise UsageError(f"the rule {self.name} compares norms as they are; leave out --epsilon")
        if norm is not None and self.joins and norm.type != 2:
            raise UsageError(f"the rule {self.name} joins L2 norms; leave out --norm-type")


def _zclip_idle(rule: AdaptiveRule) -> int:
    return 0 if rule.value("max") is not None else ZClip.warm_up


def _half(least: int) -> Callable[[AdaptiveRule], int]:
    """Return what judges from half of the window on, and from the step `least` on."""
    return lambda rule: max(least, int(rule.value("window")) // 2) - 1


_WINDOW, _OLMO_WINDOW = (2.0, 1e6), (19.0, 1e6)
"""Limits of windows; OLMo-core judges nothing with fewer norms."""

ADAPTIVE_RULES: tuple[AdaptiveRule, ...] = (
    AdaptiveRule("autoclip", "AutoClip (Seetharaman 2020)", 10.0, (0.0, 100.0)),
    AdaptiveRule(
        "zclip",
        "ZClip (Kumar 2025)",
        2.5,
        first="z",
        parameters=(
            Parameter("max"),
            Parameter("mode", "zscore", words=("zscore", "percentile")),
            Parameter("option", "adaptive_scaling", words=("adaptive_scaling", "mean")),
            Parameter("factor", 1.0),
            Parameter("skip", "false", words=FLAG),
        ),
        idle=_zclip_idle,
    ),
    AdaptiveRule(
        "adagc",
        "AdaGC (Wang 2025), for each tensor",
        1.04,
        first="lambda",
        parameters=(
            Parameter("beta", 0.99, (0.0, 1.0)),
            Parameter("warmup", 100.0, (0.0, 1e9), whole=True),
            Parameter("max", 1.0),
            Parameter("eps", 1e-6),
        ),
        own=CLIP_PER_PARAM_TYPE,
        bound=True,
    ),
    AdaptiveRule(
        "aggc",
        "AGGC (Li 2026), for each type of module",
        0.98,
        (0.0, 1.0),
        first="beta",
        parameters=(
            Parameter("low", 1.0),
            Parameter("high", 1.0),
            Parameter("min", 0.0),
            Parameter("raise", "false", words=FLAG),
            Parameter("down", limits=(0.0, 1.0)),
            Parameter("up", limits=(1.0, 1e9)),
        ),
        own=CLIP_PER_PARAM_TYPE,
        bound=True,
        joins=True,
    ),
    AdaptiveRule(
        "skip-olmo",
        "OLMo-core, skips a step that is so many deviations off",
        6.0,
        first="sigma",
        parameters=(Parameter("window", 128.0, _OLMO_WINDOW, whole=True),),
        bound=True,
        skips=True,
        idle=_half(20),
    ),
    AdaptiveRule(
        "skip-maxtext",
        "MaxText, skips a step that is so many deviations above",
        6.0,
        first="sigma",
        parameters=(Parameter("window", 128.0, _WINDOW, whole=True),),
        bound=True,
        skips=True,
        idle=_half(2),
    ),
    AdaptiveRule(
        "skip-llmc",
        "llm.c, skips a step that is so many deviations above",
        3.0,
        first="z",
        parameters=(Parameter("window", 64.0, _WINDOW, whole=True),),
        bound=True,
        skips=True,
        idle=lambda rule: int(rule.value("window")),
    ),
    AdaptiveRule(
        "skip-above",
        "Megatron-LM and MindFormers, skips a step above X",
        required=True,
        bound=True,
        skips=True,
    ),
)
"""All adaptive rules, each with the argument that its authors chose."""


def own_strategy(threshold: object) -> Strategy:
    """Return the strategy of a threshold for which a user names none."""
    return threshold.own if isinstance(threshold, AdaptiveRule) else GLOBAL


def history_of(rule: AdaptiveRule) -> History:
    """Return a new, empty history for one group, of a rule that clips by one norm."""
    if rule.name == "autoclip":
        return AutoClip(rule.argument or 0.0)
    most, skip = rule.value("max"), rule.value("skip") == "true"
    words = rule.value("mode"), rule.value("option"), rule.value("factor")
    return ZClip(rule.argument or 0.0, math.inf if most is None else most, *words, skip=skip)
