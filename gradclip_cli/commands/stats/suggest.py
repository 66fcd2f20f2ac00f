"""Choose a threshold by each rule for each strategy, and evaluate what it would do."""

import math
from collections.abc import Sequence

import numpy as np

from gradclip_cli.commands.stats.plan import StatsPlan
from gradclip_cli.commands.stats.wording import MIN_STEPS, already_clipped, shortage
from gradclip_cli.errors import InputError
from gradclip_cli.reports.stats import Candidate, OwnThreshold, Suggestion
from gradclip_cli.strategies import Group, Strategy
from gradclip_cli.strategies.actions import group_factors
from gradclip_cli.text import plural
from gradclip_cli.thresholds.base import EXPLODING_DUMPS, EXPLODING_FACTOR, Summary
from gradclip_cli.thresholds.exact_sums import exact_sum
from gradclip_cli.thresholds.explosions import explosions
from gradclip_cli.thresholds.norm_table import NormTable, SeriesNorms
from gradclip_cli.thresholds.rules import BAND, OUTLIER_SENSITIVE, ROBUST, RULES, Rule, choose
from gradclip_cli.thresholds.samples import NormSamples


def candidates(plan: StatsPlan, norms: SeriesNorms) -> list[Candidate]:
    """Evaluate the usual rules, and the plan's own where it is another, for each strategy."""
    rules = {str(rule): rule for rule in (*RULES, plan.rule) if isinstance(rule, Rule)}.values()
    return [
        evaluate(strategy, rule, norms.compared(strategy), plan.norm.epsilon)
        for strategy in plan.strategies
        for rule in rules
    ]


def evaluate(strategy: Strategy, rule: Rule, table: NormTable, epsilon: float) -> Candidate:
    """Choose a threshold for a strategy from its norms, and compute what it would do to them."""
    samples = table.samples
    try:
        threshold = choose(rule, samples, strategy.name)
    except InputError as error:
        return Candidate(strategy.name, str(rule), None, None, None, None, None, error.message)
    factors = group_factors(strategy, samples.finite, threshold, epsilon)
    return Candidate(
        strategy.name,
        str(rule),
        threshold,
        np.count_nonzero(factors != 1) / len(factors),
        exact_sum(factors) / len(factors),
        samples.energy_lost(threshold),
        table.longest_run(threshold, epsilon if strategy.takes_norm else 0.0),
        None,
    )


def annotated(one: Candidate, samples: NormSamples) -> Suggestion:
    """Turn a candidate into a suggestion: add the number of samples, the band, and notes for the user."""
    summary = samples.summary()
    band = None if one.threshold is None else (BAND[0] * summary.mean, BAND[1] * summary.mean)
    note = one.reason if one.threshold is None else _note(one, samples, summary)
    return Suggestion(one.strategy, one.rule, summary.count, one.threshold, one.clip_rate, one.mean_factor, band, note)


def own_thresholds(plan: StatsPlan, layers: NormTable) -> list[OwnThreshold]:
    """Choose a threshold for each layer from its own norms; none for a single step, or where no strategy clips layers."""
    rule, apart = plan.rule, any(strategy.group is Group.LAYER for strategy in plan.strategies)
    if len(layers.norms) < 2 or not apart or not isinstance(rule, Rule):
        return []
    return [
        _own_threshold(str(group), layers.column(k), rule, plan.norm.epsilon) for k, group in enumerate(layers.groups)
    ]


def _own_threshold(layer: str, samples: NormSamples, rule: Rule, epsilon: float) -> OwnThreshold:
    try:
        threshold = choose(rule, samples, layer)
    except InputError:
        return OwnThreshold(layer, None, None, None)
    led = (_outlier_led(samples, layer) if rule.name in OUTLIER_SENSITIVE else "") or _stays_up(samples)
    return OwnThreshold(
        layer, threshold, samples.clip_rate(threshold, epsilon), already_clipped(samples) or led or None
    )


def _note(one: Candidate, samples: NormSamples, summary: Summary) -> str | None:
    notes: list[str] = []
    if summary.count < MIN_STEPS:
        notes.append(shortage(summary.count, clips=one.clip_rate != 0))
    if clipped := already_clipped(samples):
        notes.append(clipped)
    elif (one.clip_rate or 0) > 0.5:
        notes.append("clips more than half of the samples: lower the learning rate rather than the threshold")
    notes += _if_any(_outlier_led(samples, one.strategy))
    if summary.nonfinite:
        notes.append(f"{plural(summary.nonfinite, 'NaN or infinite norm')} left out")
    return "; ".join(notes) or None


def _if_any(text: str) -> Sequence[str]:
    return [text] if text else []


def _outlier_led(samples: NormSamples, what: str) -> str:
    """Say that a few large norms lead the mean; empty where they do not."""
    summary = samples.summary()
    if summary.mean <= 3 * summary.median:
        return ""
    robust = f"{ROBUST} would be {choose(ROBUST, samples, what):.4g}" if summary.median else "the median is 0"
    return f"the mean is led by a few large norms; {robust}"


def _stays_up(samples: NormSamples) -> str:
    """Say that norms explode and stay up, which spoils the median of all of them; empty where they do not."""
    column = samples.finite[:, None]
    high = explosions(column, np.ones(column.shape, np.bool_), EXPLODING_FACTOR, EXPLODING_DUMPS)
    before = float(high.usual[high.since[0], 0]) if high.since[0] >= 0 else math.inf
    stays = samples.summary().median > EXPLODING_FACTOR * before
    return f"it explodes and stays up; the median before is {before:.4g}" if stays else ""
