"""Choose a threshold by each rule for each strategy, and evaluate what it would do."""

from collections.abc import Sequence

import numpy as np

from gradclip_cli.commands.stats.plan import StatsPlan
from gradclip_cli.commands.stats.ranges import step_ranges
from gradclip_cli.commands.stats.wording import shortage
from gradclip_cli.errors import InputError
from gradclip_cli.reports.stats_thresholds import Candidate, OwnThreshold, Suggestion
from gradclip_cli.strategies import Group, Strategy
from gradclip_cli.strategies.actions import group_factors
from gradclip_cli.strategies.builtin import CLIP_PER_LAYER
from gradclip_cli.text import plural
from gradclip_cli.thresholds.adaptive import AdaptiveRule
from gradclip_cli.thresholds.advised import OUTLIER_RATIO, already_clipped, auto
from gradclip_cli.thresholds.base import EXPLODING_DUMPS, EXPLODING_FACTOR, MIN_STEPS, Summary
from gradclip_cli.thresholds.exact_sums import exact_sum
from gradclip_cli.thresholds.explosions import explosions
from gradclip_cli.thresholds.norm_table import NormTable, SeriesNorms, longest_run
from gradclip_cli.thresholds.rules import AUTO, BAND, OUTLIER_SENSITIVE, ROBUST, RULES, AutoRule, Rule, choose
from gradclip_cli.thresholds.samples import NormSamples


def candidates(plan: StatsPlan, norms: SeriesNorms) -> list[Candidate]:
    """Evaluate the usual rules, and the plan's own where it is another, for each strategy."""
    rules = {str(rule): rule for rule in (*RULES, plan.rule) if isinstance(rule, Rule)}.values()
    return [evaluate(strategy, rule, norms, plan.norm.epsilon) for strategy in plan.strategies for rule in rules]


def evaluate(strategy: Strategy, rule: Rule, norms: SeriesNorms, epsilon: float) -> Candidate:
    """Choose a threshold for a strategy from its norms, and compute what it would do to them."""
    try:
        threshold = choose(rule, norms.compared(strategy).samples, strategy.name)
    except InputError as error:
        return without_threshold(strategy, str(rule), error.message)
    return effects(strategy, str(rule), threshold, norms, epsilon)


def without_threshold(strategy: Strategy, rule: str, reason: str) -> Candidate:
    """Say why a rule chooses no threshold."""
    return Candidate(strategy.name, rule, None, None, None, None, None, reason)


def effects(strategy: Strategy, rule: str, threshold: float, norms: SeriesNorms, epsilon: float) -> Candidate:
    """Compute what a threshold would do to the norms of a strategy."""
    table = norms.compared(strategy)
    factors = group_factors(strategy, table.samples.finite, threshold, epsilon)
    above = table.steps_above(threshold, epsilon if strategy.takes_norm else 0.0)
    return Candidate(
        strategy.name,
        rule,
        threshold,
        int(np.count_nonzero(factors != 1)) / len(factors),
        exact_sum(factors) / len(factors),
        table.samples.energy_lost(threshold),
        longest_run(above),
        None,
        step_ranges(above, norms.steps),
    )


def suggestions(plan: StatsPlan, norms: SeriesNorms, offers: Sequence[Candidate]) -> list[Suggestion]:
    """Suggest for each strategy the threshold that the plan's rule chooses; under `auto`, the advised one."""
    chosen = [one for one in offers if one.rule == str(plan.rule)]
    if isinstance(plan.rule, AutoRule):
        chosen = [_by_auto(strategy, norms, plan.norm.epsilon) for strategy in plan.strategies]
    samples = {strategy.name: norms.compared(strategy).samples for strategy in plan.strategies}
    return [annotated(one, samples[one.strategy]) for one in chosen]


def _by_auto(strategy: Strategy, norms: SeriesNorms, epsilon: float) -> Candidate:
    try:
        choice = auto(strategy, norms.compared(strategy), epsilon)
    except InputError as error:
        return without_threshold(strategy, str(AUTO), error.message)
    return effects(strategy, choice.rule, choice.threshold or 0.0, norms, epsilon)


def annotated(one: Candidate, samples: NormSamples) -> Suggestion:
    """Turn a candidate into a suggestion: add the number of samples, the band, and notes for the user."""
    summary = samples.summary()
    band = None if one.threshold is None else (BAND[0] * summary.mean, BAND[1] * summary.mean)
    note = one.reason if one.threshold is None else _note(one, samples, summary)
    figures = one.threshold, one.clip_rate, one.mean_factor
    return Suggestion(one.strategy, one.rule, summary.count, *figures, band, note, one.steps)


def own_thresholds(plan: StatsPlan, layers: NormTable) -> list[OwnThreshold]:
    """Choose a threshold for each layer from its own norms; none for a single step, or where no strategy clips layers."""
    rule, apart = plan.rule, any(strategy.group is Group.LAYER for strategy in plan.strategies)
    if len(layers.norms) < 2 or not apart or isinstance(rule, AdaptiveRule):
        return []
    before = _before_a_rise(layers)
    return [_own_threshold(layers.of_group(k), rule, plan.norm.epsilon, usual) for k, usual in enumerate(before)]


def _own_threshold(layer: NormTable, rule: Rule | AutoRule, epsilon: float, before: float | None) -> OwnThreshold:
    """Choose for one layer, whose norms are the only column of `layer`; `before` is its median before a rise that lasts."""
    samples, name = layer.samples, str(layer.groups[0])
    try:
        threshold = _chosen(layer, rule, epsilon)
    except InputError:
        return OwnThreshold(name, None, None, None)
    led = _outlier_led(samples, name) if rule.name in OUTLIER_SENSITIVE else ""
    stays = "" if before is None else f"it explodes and stays up; the median before is {before:.4g}"
    note = already_clipped(samples) or led or stays or None
    return OwnThreshold(name, threshold, samples.clip_rate(threshold, epsilon), note)


def _chosen(layer: NormTable, rule: Rule | AutoRule, epsilon: float) -> float:
    if isinstance(rule, Rule):
        return choose(rule, layer.samples, str(layer.groups[0]))
    return auto(CLIP_PER_LAYER, layer, epsilon).threshold or 0.0


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
    if summary.mean <= OUTLIER_RATIO * summary.median:
        return ""
    robust = f"{ROBUST} would be {choose(ROBUST, samples, what):.4g}" if summary.median else "the median is 0"
    return f"the mean is led by a few large norms; {robust}"


def _before_a_rise(layers: NormTable) -> list[float | None]:
    """Return the median of each layer before it explodes and stays up; None where it does not."""
    since = explosions(layers.norms, layers.finite, EXPLODING_FACTOR, EXPLODING_DUMPS).since.tolist()
    return [_median_before(layers.of_group(k), row) if row > 0 else None for k, row in enumerate(since)]


def _median_before(layer: NormTable, row: int) -> float | None:
    """Return the median of the norms before a step, if that of all is far above it."""
    before = layer.first(row).samples.summary().median
    return before if layer.samples.summary().median > EXPLODING_FACTOR * before else None
