"""The rules that choose a threshold from the norms that a strategy would compare with it."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from gradclip_cli.errors import InputError, UsageError
from gradclip_cli.summary import Samples

BAND = (0.5, 10.0)
"""Multiples of the mean norm between which training still converges, as Pascanu, Mikolov and Bengio (2012) report."""


@dataclass(frozen=True)
class Rule:
    """A way to choose a threshold; `str()` is what one writes after `-t` or `--rule`."""

    name: str
    choose: Callable[[Samples, float], float]
    source: str
    argument: float | None = None
    limits: tuple[float, float] = (0.0, math.inf)

    def __str__(self) -> str:
        return self.name if self.argument is None else f"{self.name}:{self.argument:g}"

    def given(self, text: str) -> "Rule":
        """Return this rule with another argument."""
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        low, high = self.limits
        if self.argument is None:
            raise UsageError(f"the rule {self.name} takes no argument")
        if not low <= value <= high or math.isinf(value):
            raise UsageError(f"the rule {self.name} needs a number from {low:g} to {high:g}, not {text!r}")
        return replace(self, argument=value)


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
    Rule("mean", lambda samples, _: samples.summary().mean, "the usual first guess"),
    Rule("median", lambda samples, _: samples.summary().median, "robust where a few steps explode"),
    Rule(
        "percentile",
        _percentile,
        "AutoClip (Seetharaman 2020); Google's tuning playbook starts at 90",
        90.0,
        (0.0, 100.0),
    ),
    Rule("mad", _mad, "robust spread", 5.0),
    Rule("zscore", _zscore, "ZClip's first step (Kumar 2025)", 3.0),
)
"""The rules, each with its default argument; the first is the default."""

ROBUST = RULES[3]
"""What is suggested beside the mean where a few steps lead it."""

Threshold = float | Rule


def parse_rule(text: str) -> Rule:
    """Return the rule that `text` names, such as `median` or `percentile:95`."""
    name, colon, argument = text.strip().lower().partition(":")
    for rule in RULES:
        if rule.name == name:
            return rule.given(argument) if colon else rule
    raise UsageError(f"there is no rule {text!r}; rules are {', '.join(map(str, RULES))}")


def parse(text: str) -> Threshold:
    """Return a threshold, which is a number > 0 (`inf` clips nothing), or a rule."""
    try:
        value = float(text)
    except ValueError:
        if text.strip()[:1].isalpha():
            return parse_rule(text)
        raise UsageError(f"the threshold {text!r} is neither a number nor a rule") from None
    return checked(value)


def checked(value: float) -> float:
    """Return `value` if it can be a threshold."""
    if not value > 0:
        raise UsageError(f"the threshold must be a number above 0, not {value:g}")
    return value


def choose(rule: Rule, samples: Samples, what: str) -> float:
    """Return the threshold that `rule` chooses from `samples`, the norms of `what`; raise InputError where it can choose none."""
    summary = samples.summary()
    if not summary.count:
        reason = f"all {summary.nonfinite} norms are NaN or infinite" if summary.nonfinite else "there is no norm"
        raise InputError(f"no threshold can be chosen by {rule} for {what}: {reason}")
    value = rule.choose(samples, rule.argument or 0.0)
    if not 0 < value < math.inf:
        raise InputError(
            f"no threshold can be chosen by {rule} for {what}: it would be {value:g}; give a number with -t"
        )
    return value
