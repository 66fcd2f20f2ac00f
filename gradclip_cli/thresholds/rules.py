"""Choose one threshold from the norms that a strategy compares with it, and parse thresholds and rules."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gradclip_cli.errors import InputError, UsageError
from gradclip_cli.strategies import SPELLED, Strategy, find
from gradclip_cli.text import plain, real, with_all
from gradclip_cli.thresholds.adaptive import ADAPTIVE_RULES, AdaptiveRule
from gradclip_cli.thresholds.base import DEVIATION, Named, require

if TYPE_CHECKING:
    from gradclip_cli.thresholds.samples import NormSamples

BAND = (0.5, 10.0)
"""The range in multiples of the mean norm in which training converges, according to Pascanu, Mikolov and Bengio (2012)."""


@dataclass(frozen=True)
class Rule(Named):
    """A rule that chooses one threshold from all norms."""

    choose: Callable[["NormSamples", float], float] = field(kw_only=True)


@dataclass(frozen=True)
class AutoRule(Named):
    """The advised rule, whichever that is for the norms of a series."""


def _percentile(samples: "NormSamples", percent: float) -> float:
    return samples.percentile(percent)


def _mad(samples: "NormSamples", times: float) -> float:
    """Return median + K · 1.4826 · MAD; 1.4826 MAD is the standard deviation of normally distributed samples."""
    summary = samples.summary()
    return summary.median + times * DEVIATION * summary.mad


def _zscore(samples: "NormSamples", times: float) -> float:
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
"""All rules that choose one threshold, with their default arguments; the first is the default rule."""

ROBUST = RULES[3]
"""The rule suggested besides the mean if a few large norms dominate the mean."""

GENTLE = RULES[2]
"""The rule advised instead of the mean if nothing explodes but the mean would clip most steps."""

OUTLIER_SENSITIVE = ("mean", "zscore")
"""The names of rules that a few large norms can dominate."""

AUTO = AutoRule("auto", "the rule that stats advises for the norms at hand")
"""The advised rule; `advised.auto` chooses by it."""

SPELLINGS = ", ".join(map(str, (*RULES, *ADAPTIVE_RULES, AUTO)))
"""All rules as a user writes them, for messages."""

_BEYOND = {
    "spam": "the second moments of Adam",
    "qk-clip": "attention logits",
}
"""Ways to clip that people may ask for, and what they need that norms do not tell."""

_PERCENT = r"^p(?=[\d.]+$)"
"""The `p` of `p90`, as numpy, pandas and dashboards write a percentile."""

Chooser = Rule | AdaptiveRule | AutoRule
"""What chooses a threshold, or one for each step."""

Threshold = float | Chooser


def parse_rule(text: str) -> Chooser:
    """Return the rule that `text` names: `median`, `percentile:95`, `percentile=95`, `p95`; raise UsageError if there is none.

    >>> str(parse_rule("p95")), str(parse_rule("MAD=3"))
    ('percentile:95', 'mad:3')
    """
    name, argument = _split(text)
    rules: tuple[Chooser, ...] = (*RULES, *ADAPTIVE_RULES, AUTO)
    for rule in rules:
        if rule.name == name:
            return (rule if argument is None else rule.given(argument)).complete()
    if name in _BEYOND:
        raise UsageError(f"{name} cannot be replayed over norms: it needs {_BEYOND[name]}")
    if plain(name) in SPELLED:
        raise UsageError(
            f"{name} is a strategy, and no rule; give it with -s, and a number or a rule for its threshold"
        )
    hint = with_all(name, [rule.name for rule in rules], f"rules are {SPELLINGS}")
    raise UsageError(f"there is no rule {text!r}; {hint}")


def strategy_called(text: str) -> Strategy:
    """Return the strategy called `text`, as `find` does; the error for the name of a rule says what takes rules."""
    try:
        return find(text)
    except UsageError:
        name = _split(text)[0]
        if name not in {rule.name for rule in (*RULES, *ADAPTIVE_RULES, AUTO)}:
            raise
        what = f"{name} is a rule, and no strategy; apply takes it with -t, stats with --rule"
        raise UsageError(what) from None


def _split(text: str) -> tuple[str, str | None]:
    """Return the name of a rule, and what stands behind it; None for nothing."""
    name, *rest = re.split("[:=]", re.sub(_PERCENT, "percentile:", text.strip().lower()), maxsplit=1)
    return name.strip(), rest[0].strip() if rest else None


def is_rule(text: str) -> bool:
    """Return whether a text begins with the name of a rule."""
    return _split(text)[0] in {rule.name for rule in (*RULES, *ADAPTIVE_RULES, AUTO)}


def parse(text: str) -> Threshold:
    """Return the threshold in `text`: a number > 0 (`inf` clips nothing) or a rule; raise UsageError for anything else."""
    value = real(text)
    if value is not None:
        return checked(value)
    if text.strip()[:1].isalpha():
        return parse_rule(text)
    raise UsageError(f"the threshold {text!r} is neither a number nor a rule; rules are {SPELLINGS}")


def checked(value: float) -> float:
    """Return `value`; raise UsageError if it is not above 0."""
    if value == 0:
        raise UsageError(
            "the threshold must be above 0; where 0 would switch clipping off, give -s none to copy, or use stats to measure"
        )
    if not value > 0:
        raise UsageError(f"the threshold must be a number above 0, not {value:g}")
    return value


def threshold_of(value: float | str | None) -> Threshold | None:
    """Return a threshold given as a number or as text; None if none is given."""
    return parse(value) if isinstance(value, str) else None if value is None else checked(float(value))


def choose(rule: Rule, samples: "NormSamples", what: str, path: str | None = None) -> float:
    """Return the threshold that `rule` chooses from `samples`; raise InputError if it cannot choose one.

    `what` names the norms in that message, and `path` is the first dump that has any of them.
    """
    require(rule, samples, what, path)
    value = rule.choose(samples, rule.argument or 0.0)
    if not 0 < value < math.inf:
        raise InputError(
            f"no threshold can be chosen by {rule} for {what}: it would be {value:g}; give a number with -t"
        )
    return value
