"""Choose the threshold to recommend: by which rule, and from which norms."""

from collections.abc import Mapping
from typing import NamedTuple

from gradclip_cli.errors import InputError
from gradclip_cli.reports.stats import Candidate
from gradclip_cli.strategies import Strategy
from gradclip_cli.thresholds.base import EXPLODING_FACTOR, Summary
from gradclip_cli.thresholds.rules import OUTLIER_SENSITIVE, ROBUST, RULES, Rule, choose
from gradclip_cli.thresholds.samples import NormSamples

_OUTLIER_RATIO = 3.0
"""A few norms lead the mean where it is above this multiple of the median, or of the mean without explosions."""


class NormFacts(NamedTuple):
    """The norms of a strategy, and facts about them.

    `zeros`: more than half are 0, and `some` and `without_spikes` leave zeros out. `some` holds the norms to choose from,
    `without_spikes` those that do not explode, `summary` describes `some`. `led`: a few norms lead the mean of `some`.
    """

    all: NormSamples
    some: NormSamples
    without_spikes: NormSamples
    summary: Summary
    zeros: bool
    led: bool

    @classmethod
    def of(cls, every: NormSamples, without_spikes: NormSamples) -> "NormFacts":
        """Derive the facts from all norms, and from those that do not explode."""
        zeros = not every.summary().median
        some, quiet = (part.above_zero() if zeros else part for part in (every, without_spikes))
        summary = some.summary()
        led = summary.mean > _OUTLIER_RATIO * min(summary.median, quiet.summary().mean)
        return cls(every, some, quiet, summary, zeros, led)


class Choice(NamedTuple):
    """A chosen threshold; `rule` names the rule and the norms it was applied to, `reason` says why there is no threshold."""

    rule: str
    threshold: float | None
    clip_rate: float
    reason: str = ""


def choice_of(one: Candidate) -> Choice:
    """Convert a candidate, which a rule has chosen from all norms."""
    return Choice(one.rule, one.threshold, one.clip_rate or 0.0, one.reason or "")


def _choose(
    strategy: Strategy, rule: Rule, samples: NormSamples, facts: NormFacts, epsilon: float, which: str
) -> Choice:
    """Choose by a rule from the norms `samples`, described by `which`; the clip rate is that of all norms."""
    try:
        threshold = choose(rule, samples, strategy.name)
    except InputError as error:
        return Choice(str(rule), None, 0.0, error.message)
    return Choice(f"{rule} of what {which}", threshold, facts.all.clip_rate(threshold, epsilon))


def choose_threshold(
    strategy: Strategy,
    rule: Rule,
    facts: NormFacts,
    epsilon: float,
    offered: Mapping[str, Candidate],
    *,
    exploded: bool,
) -> Choice:
    """Choose by the rule, by the robust one where outliers lead the mean, or else by the mean.

    Where that gives the threshold of an explosion, choose by the rule from the norms that do not explode.
    """
    wanted = ROBUST if facts.led and rule.name in OUTLIER_SENSITIVE else rule
    zeros = "is not 0"
    choices = [
        _choose(strategy, one, facts.some, facts, epsilon, zeros) if facts.zeros else choice_of(offered[str(one)])
        for one in (wanted, RULES[0])
    ]
    chosen = next((one for one in choices if one.threshold is not None), choices[-1])
    if exploded and (chosen.threshold or 0.0) > EXPLODING_FACTOR * facts.without_spikes.summary().median > 0:
        which = f"does not explode and {zeros}" if facts.zeros else "does not explode"
        calm = _choose(strategy, rule, facts.without_spikes, facts, epsilon, which)
        return chosen if calm.threshold is None else calm
    return chosen
