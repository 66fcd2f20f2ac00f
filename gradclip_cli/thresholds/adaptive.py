"""Adaptive rules, which decide at each step from the norms so far; `replays` replays any of them."""

from collections.abc import Callable
from dataclasses import dataclass

from gradclip_cli.errors import UsageError
from gradclip_cli.strategies.base import Group, Norm, Strategy
from gradclip_cli.strategies.builtin import CLIP_PER_PARAM_TYPE, ELEMENTWISE, GLOBAL
from gradclip_cli.thresholds.base import FLAG, Named, Parameter
from gradclip_cli.thresholds.histories import ZClip


@dataclass(frozen=True)
class AdaptiveRule(Named):
    """A rule that decides at each step from the norms so far; each group has its own history.

    `own` is the strategy that it is for, used where a user names none; if it is `bound`, no other kind of group will do.
    A rule that `skips` leaves out whole steps; one that `joins` makes L2 norms of several groups one. One that `rereads` looks at
    elements again, once it knows their limits.
    """

    own: Strategy = GLOBAL
    bound: bool = False
    skips: bool = False
    joins: bool = False
    rereads: bool = False
    idle: Callable[["AdaptiveRule"], int] | None = None

    @property
    def warm_up(self) -> int:
        """The number of steps at the start of a history in which nothing can be clipped or skipped."""
        return 0 if self.idle is None else self.idle(self)

    @property
    def needs_two(self) -> bool:
        """Whether one norm alone is never clipped: any percentile of it is that norm."""
        return self.name == "autoclip"

    def suits(self, strategy: Strategy) -> bool:
        """Whether the rule follows norms that a strategy compares: one for each group and step, or those that its authors follow."""
        if strategy.group is Group.UNIT:
            return False
        return not self.bound or (strategy.group is self.own.group and not strategy.of_mean)

    def check(self, strategy: Strategy, norm: Norm | None = None) -> None:
        """Raise UsageError if the rule does not go with a strategy, or has no use for an epsilon or a type of norm."""
        self.complete()
        if strategy.group is Group.UNIT:
            raise UsageError(f"{self.name} takes one norm of a step, and with {strategy.name} each unit has one")
        if not self.bound:
            return
        if not self.suits(strategy):
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

_RATE = 0.0, 0.99999
"""Limits of the rate of a moving mean that is corrected for its bias, which 1 has no correction for."""

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
        "stable-spam",
        "Stable-SPAM (Huang 2025), limits elements, then scales each tensor",
        0.999,
        _RATE,
        first="theta",
        parameters=(Parameter("gamma1", 0.7, _RATE), Parameter("gamma2", 0.9, _RATE), Parameter("eps", 1e-8)),
        own=ELEMENTWISE,
        bound=True,
        rereads=True,
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
