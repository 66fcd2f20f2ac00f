"""Thresholds that a series suggests: what each rule would choose, what that would do, and what a person should know of it."""

from collections.abc import Sequence

import numpy as np

from gradclip_cli.choosing.samples import Sample
from gradclip_cli.errors import InputError
from gradclip_cli.plan.stats import StatsPlan
from gradclip_cli.reports import Candidate, OwnThreshold, Suggestion
from gradclip_cli.strategies import Group, Strategy
from gradclip_cli.text import count
from gradclip_cli.thresholds import BAND, ROBUST, Rule, choose
from gradclip_cli.thresholds.summary import Samples, Summary

LED = ("mean", "zscore")
"""The rules that a few large norms lead."""

FAR = 10.0
"""Where any norm is so many times below the others, those have risen rather than been cut down to one threshold."""

FEW = 10
"""With fewer samples than that a suggestion says so."""


def compared(strategy: Strategy, samples: Sequence[Sample]) -> Samples:
    """The samples that a strategy compares with its threshold."""
    if strategy.group is Group.DUMP:
        return Samples(sample.dump.norm for sample in samples)
    rows = {Group.LAYER: "layers", Group.TENSOR: "params", Group.ELEMENT: "peaks"}
    matrix = np.array([getattr(sample, rows[strategy.group]) for sample in samples])
    return Samples(matrix, max(1, matrix.shape[1]))


def offer(strategy: Strategy, rule: Rule, samples: Samples, epsilon: float) -> Candidate:
    """Say what a rule would choose for a strategy, and what that would do."""
    epsilon = epsilon if strategy.takes_norm else 0.0
    try:
        threshold = choose(rule, samples, strategy.name)
    except InputError as error:
        return Candidate(strategy.name, str(rule), None, None, None, None, None, error.message)
    return Candidate(
        strategy.name,
        str(rule),
        threshold,
        samples.clip_rate(threshold, epsilon),
        samples.mean_factor(threshold, epsilon),
        samples.energy_lost(threshold),
        samples.longest_run(threshold, epsilon),
        None,
    )


def suggest(strategy: Strategy, rule: Rule, samples: Samples, epsilon: float) -> Suggestion:
    """Choose a threshold for one strategy, and say what a person should know of it."""
    return with_advice(offer(strategy, rule, samples, epsilon), samples)


def with_advice(one: Candidate, samples: Samples) -> Suggestion:
    """Add to what was chosen how many samples there were, the band, and what a person should know."""
    summary = samples.summary()
    band = None if one.threshold is None else (BAND[0] * summary.mean, BAND[1] * summary.mean)
    note = one.reason if one.threshold is None else _note(one, samples, summary)
    return Suggestion(one.strategy, one.rule, summary.count, one.threshold, one.clip_rate, one.mean_factor, band, note)


def already_clipped(samples: Samples) -> str:
    """Say so where all norms are alike, or most of many are and none is above them, nor far below: nothing where they are not."""
    share, top = samples.at_the_top(), float(samples.finite.max(initial=0))
    if share < 1 and (share <= 0.5 or len(samples.finite) < FEW or FAR * samples.finite.min() < top):
        return ""
    which = "all norms are alike" if share == 1 else f"{share:.1%} of the norms are alike and none is larger"
    return (
        f"{which}: the series looks as if it had already been clipped at {top:.4g}; look at gradients before clipping"
    )


def own_thresholds(plan: StatsPlan, layers: Sequence[str], samples: Sequence[Sample]) -> list[OwnThreshold]:
    """Choose a threshold for each layer from its own norms, where layers may be clipped apart and there are several steps."""
    rule, apart = plan.rule, any(strategy.group is Group.LAYER for strategy in plan.strategies)
    if len(samples) < 2 or not apart or not isinstance(rule, Rule):
        return []
    columns = np.array([sample.layers for sample in samples]).T
    return [
        _own(layer, Samples(column), rule, plan.norm.epsilon) for layer, column in zip(layers, columns, strict=True)
    ]


def _own(layer: str, samples: Samples, rule: Rule, epsilon: float) -> OwnThreshold:
    try:
        threshold = choose(rule, samples, layer)
    except InputError:
        return OwnThreshold(layer, None, None, None)
    led = (_led(samples, samples.summary(), layer) if rule.name in LED else "") or _stays(samples)
    return OwnThreshold(
        layer, threshold, samples.clip_rate(threshold, epsilon), already_clipped(samples) or led or None
    )


def _note(one: Candidate, samples: Samples, summary: Summary) -> str | None:
    notes = []
    if summary.count < FEW:
        lone = ", so nothing of it would be clipped" if one.clip_rate == 0 and summary.count == 1 else ""
        notes.append(f"only {count(summary.count, 'sample')}{lone}")
    if clipped := already_clipped(samples):
        notes.append(clipped)
    elif (one.clip_rate or 0) > 0.5:
        notes.append("clips more than half of the samples: lower the learning rate rather than the threshold")
    if led := _led(samples, summary, one.strategy):
        notes.append(led)
    if summary.nonfinite:
        notes.append(f"{count(summary.nonfinite, 'NaN or infinite norm')} left out")
    return "; ".join(notes) or None


def _led(samples: Samples, summary: Summary, what: str) -> str:
    """Say so where a few large norms lead the mean."""
    if summary.mean <= 3 * summary.median:
        return ""
    robust = f"{ROBUST} would be {choose(ROBUST, samples, what):.4g}" if summary.median else "the median is 0"
    return f"the mean is led by a few large norms; {robust}"


def _stays(samples: Samples) -> str:
    """Say so where norms explode and stay up, so that the median of all of them is one of an explosion."""
    from gradclip_cli.rules.explosions import explosions
    from gradclip_cli.rules.limits import Limits

    limits = Limits()
    high = explosions(
        samples.finite[:, None],
        np.ones((len(samples.finite), 1), np.bool_),
        limits.exploding_factor,
        limits.exploding_dumps,
    )
    return f"it explodes and stays up; the median before is {high.usual[0]:.4g}" if high.stays[0] else ""
