"""The rules that choose a threshold from the norms that a strategy would compare with it."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from gradclip_cli.errors import InputError, UsageError
from gradclip_cli.summary import Samples, Summary

BAND = (0.5, 10.0)
"""Multiples of the mean norm between which training still converges, as Pascanu, Mikolov and Bengio (2012) report."""


@dataclass(frozen=True)
class Rule:
    """A way to choose a threshold; `str()` is what one writes after `-t` or `--rule`."""

    name: str
    choose: Callable[[Summary], float]
    source: str

    def __str__(self) -> str:
        return self.name


RULES: tuple[Rule, ...] = (Rule("mean", lambda summary: summary.mean, "the usual first guess"),)

Threshold = float | Rule


def parse_rule(text: str) -> Rule:
    """Return the rule that `text` names."""
    for rule in RULES:
        if rule.name == text.strip().lower():
            return rule
    raise UsageError(f"there is no rule {text!r}; rules are {', '.join(rule.name for rule in RULES)}")


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
    value = rule.choose(summary)
    if not 0 < value < math.inf:
        raise InputError(
            f"no threshold can be chosen by {rule} for {what}: it would be {value:g}; give a number with -t"
        )
    return value
