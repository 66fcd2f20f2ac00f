"""The rules that choose a threshold from the norms that a strategy would compare with it."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Self

from gradclip_cli.errors import InputError, UsageError
from gradclip_cli.text import real, with_all
from gradclip_cli.thresholds.replays import AutoClip, History, ZClip
from gradclip_cli.thresholds.summary import Samples

BAND = (0.5, 10.0)
"""Multiples of the mean norm between which training still converges, as Pascanu, Mikolov and Bengio (2012) report."""


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


@dataclass(frozen=True)
class Rule(Named):
    """A way to choose one threshold from all norms."""

    choose: Callable[[Samples, float], float] = field(kw_only=True)


@dataclass(frozen=True)
class Replay(Named):
    """A way to set a threshold at each step from the norms so far; every group has a history of its own."""

    history: Callable[[float], History] = field(kw_only=True)

    @property
    def warm_up(self) -> int:
        """In how many steps at the start of a history there is no threshold."""
        return self.begin().warm_up

    def begin(self) -> History:
        """Return the history of a group before its first step."""
        return self.history(self.argument or 0.0)


def _percentile(samples: Samples, percent: float) -> float:
    return samples.percentile(percent)


def _mad(samples: Samples, times: float) -> float:
    """Return median + K · 1.4826 · MAD: for normal samples, 1.4826 MAD is a standard deviation."""
    summary = samples.summary()
    return summary.median + times * 1.4826 * summary.mad


def _zscore(samples: Samples, times: float) -> float:
    """Return mean + Z · std."""
    summary = samples.summary()
    return summary.mean + times * summary.std


RULES: tuple[Rule, ...] = (
    Rule("mean", "the usual first guess", choose=lambda samples, _: samples.summary().mean),
    Rule("median", "robust where a few steps explode", choose=lambda samples, _: samples.summary().median),
    Rule(
        "percentile",
        "AutoClip (Seetharaman 2020); Google's tuning playbook starts at 90",
        90.0,
        (0.0, 100.0),
        choose=_percentile,
    ),
    Rule("mad", "robust spread", 5.0, choose=_mad),
    Rule("zscore", "ZClip's first step (Kumar 2025)", 3.0, choose=_zscore),
)
"""The rules, each with its default argument; the first is the default."""

ROBUST = RULES[3]
"""What is suggested beside the mean where a few steps lead it."""

GENTLE = RULES[2]
"""What is advised instead of the mean where nothing explodes, and the mean would clip most steps all the same."""

REPLAYS: tuple[Replay, ...] = (
    Replay("autoclip", "AutoClip (Seetharaman 2020)", 10.0, (0.0, 100.0), history=AutoClip),
    Replay("zclip", "ZClip (Kumar 2025)", 2.5, history=ZClip),
)
"""The rules whose threshold differs from step to step, each with its authors' argument."""

SPELLINGS = ", ".join(map(str, (*RULES, *REPLAYS)))
"""All rules as one writes them."""

Threshold = float | Rule | Replay


def parse_rule(text: str) -> Rule | Replay:
    """Return the rule that `text` names, such as `median` or `percentile:95`."""
    name, colon, argument = text.strip().lower().partition(":")
    rules: tuple[Rule | Replay, ...] = (*RULES, *REPLAYS)
    for rule in rules:
        if rule.name == name:
            return rule.given(argument) if colon else rule
    hint = with_all(name, [rule.name for rule in rules], f"rules are {SPELLINGS}")
    raise UsageError(f"there is no rule {text!r}; {hint}")


def parse(text: str) -> Threshold:
    """Return a threshold, which is a number > 0 (`inf` clips nothing), or a rule."""
    value = real(text)
    if value is not None:
        return checked(value)
    if text.strip()[:1].isalpha():
        return parse_rule(text)
    raise UsageError(f"the threshold {text!r} is neither a number nor a rule; rules are {SPELLINGS}")


def checked(value: float) -> float:
    """Return `value` if it can be a threshold."""
    if not value > 0:
        raise UsageError(f"the threshold must be a number above 0, not {value:g}")
    return value


def threshold_of(value: float | str | None) -> Threshold | None:
    """Return a threshold that is given as a number or as a text; None where there is none."""
    return parse(value) if isinstance(value, str) else None if value is None else checked(float(value))


_LOOK = "look at it with `gradclip check`, and leave it out, or clip the rest of it by `apply --nonfinite zero`"


def choose(rule: Rule, samples: Samples, what: str, path: str | None = None) -> float:
    """Return the threshold that `rule` chooses from `samples`, the norms of `what`; raise InputError where it can choose none.

    `path` is the first dump with any of them.
    """
    require(rule, samples, what, path)
    value = rule.choose(samples, rule.argument or 0.0)
    if not 0 < value < math.inf:
        raise InputError(
            f"no threshold can be chosen by {rule} for {what}: it would be {value:g}; give a number with -t"
        )
    return value


def require(rule: Rule | Replay, samples: Samples, what: str, path: str | None = None) -> None:
    """Raise InputError where no norm is finite: no rule can choose from that."""
    if not len(samples.finite):
        which = f"all {samples.nonfinite:,} norms are" if samples.nonfinite > 1 else "its one norm is"
        bad = f"{which} NaN or infinite; {_LOOK}"
        reason = bad if samples.nonfinite else "there is no norm; give dumps with gradients"
        raise InputError(f"no threshold can be chosen by {rule} for {what}: {reason}", path=path)
