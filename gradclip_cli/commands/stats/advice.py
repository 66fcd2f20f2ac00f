"""Recommend a threshold to a user who has never chosen one, and say how far to trust it."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from gradclip_cli.commands.stats import wording
from gradclip_cli.commands.stats.plan import StatsPlan
from gradclip_cli.commands.stats.spikes import Spike, spikes, spread_sentence
from gradclip_cli.commands.stats.suggest import effects
from gradclip_cli.errors import InputError
from gradclip_cli.reports.stats_thresholds import Advised
from gradclip_cli.strategies import Group, Strategy
from gradclip_cli.text import percent
from gradclip_cli.thresholds.advised import (
    MOSTLY,
    NO_GRADIENT,
    Choice,
    NormFacts,
    advised,
    doubt,
    explosions_in,
    has_moved,
    out_of_line,
    refusal,
    trend_of,
)
from gradclip_cli.thresholds.base import EXPLODING_DUMPS, MIN_STEPS
from gradclip_cli.thresholds.norm_table import NormTable, SeriesNorms
from gradclip_cli.thresholds.rules import GENTLE, RULES, AutoRule, Rule, choose
from gradclip_cli.thresholds.samples import NormSamples
from gradclip_cli.thresholds.trend import Trend

_MOST = 3


class _Case(NamedTuple):
    """The facts about a series from which the reason of a recommendation is chosen.

    `spread` describes norms that range over orders of magnitude, `way` where they go over the run; `wanted` is the plan's rule.
    """

    strategy: Strategy
    rule: Rule
    facts: NormFacts
    steps: Sequence[Spike]
    exploding: Sequence[Spike]
    spread: str | None
    way: Trend
    chosen: Choice
    table: NormTable
    norms: SeriesNorms
    brief: bool = False  # without the steps that a screen names elsewhere

    @property
    def gentle(self) -> bool:
        """Whether the gentle rule was chosen in place of the mean, which would clip too much."""
        return self.rule != GENTLE and self.chosen.rule == str(GENTLE)


def recommend(plan: StatsPlan, norms: SeriesNorms, strategy: Strategy) -> Advised:
    """Recommend a threshold for a strategy, and name the steps that are not finite."""
    table = norms.compared(strategy)
    nonfinite = _nonfinite(norms, of_log=plan.logs is not None)
    nothing = refusal(strategy, table) if len(norms.params.groups) or plan.logs else NO_GRADIENT
    if line := nothing or doubt(table):
        sentence = line if line.endswith("?") else f"{line}."
        return Advised(strategy.name, *(None,) * 5, line, not nothing, [sentence, *nonfinite])
    return _advised(plan, norms, _case(plan, strategy, norms, table), nonfinite)


def _nonfinite(norms: SeriesNorms, *, of_log: bool) -> list[str]:
    totals = norms.total.norms[:, 0].tolist()
    bad = [s for s, norm in zip(norms.steps, totals, strict=True) if s.nonfinite or not math.isfinite(norm)]
    return [wording.nonfinite_steps(bad, len(norms.steps), of_log=of_log)] if bad else []


def _case(plan: StatsPlan, strategy: Strategy, norms: SeriesNorms, table: NormTable) -> _Case:
    # An adaptive rule has no single threshold to recommend, and `auto` is what is recommended in place of the mean.
    rule = plan.rule if isinstance(plan.rule, Rule) else RULES[0]
    found, way = explosions_in(table), trend_of(table)
    high = out_of_line(table, found.steps)
    facts, chosen = advised(strategy, rule, table, plan.norm.epsilon, high, moving=has_moved(way))
    steps = spikes(norms, table, found)
    highest = sorted((spike for spike in steps if spike.explodes), key=lambda spike: -spike.times)
    return _Case(strategy, rule, facts, steps, highest, spread_sentence(norms, table), way, chosen, table, norms)


def _advised(plan: StatsPlan, norms: SeriesNorms, case: _Case, nonfinite: Sequence[str]) -> Advised:
    """Recommend a threshold from several steps: why, how much it clips, and how to try it."""
    chosen, strategy = case.chosen, case.strategy
    if chosen.threshold is None:
        return Advised(strategy.name, *(None,) * 5, chosen.reason, True, [f"{chosen.reason}.", *nonfinite])
    own = case.rule is plan.rule or isinstance(plan.rule, AutoRule)
    single = "" if own else "for one threshold at every step, "
    line = f"{single}take {chosen.threshold:.4g} ({chosen.rule}) for {strategy.name}: {_reason(case)}; {_clips(case)}"
    few = len(case.steps) < MIN_STEPS
    would = effects(strategy, chosen.rule, chosen.threshold, norms, plan.norm.epsilon)
    figures = chosen.rule, chosen.threshold, would.clip_rate, would.mean_factor, would.steps
    if few and not case.exploding and (would.clip_rate or 0.0) >= MOSTLY:
        told = wording.few_choose_nothing(len(case.steps), chosen.rule, strategy, would.clip_rate or 0.0)
        return Advised(strategy.name, *figures, told[0], False, [f"{told[1]}.", *nonfinite], True)
    caveat = f". {wording.few_steps(len(case.steps))}" if few else ""
    reason = _reason(case._replace(brief=True))
    lines = [f"{line}{caveat}.", *nonfinite]
    return Advised(strategy.name, *figures, reason, case.rule is plan.rule and _is_doubtful(case), lines)


def _is_doubtful(case: _Case) -> bool:
    """Return whether the rule that the user asked for is no guide."""
    spread = case.spread is not None and not (case.facts.led and case.exploding)
    return case.chosen.rule != str(case.rule) or spread


def _clips(case: _Case) -> str:
    """Say how much would be clipped and, where that is more than half, what to do instead."""
    clips = wording.clipping(case.strategy.group, case.chosen.clip_rate)
    if case.chosen.clip_rate <= 0.5:
        return clips
    first = next((spike for spike in case.steps if spike.explodes), None)
    if first is not None:
        return f"{clips}, so find out first what happened at {wording.step_name(first.step)}"
    slow = ", which slows every step down: lower the learning rate instead"
    # In a short series, such as two of three steps, more than half may well be above the mean.
    return clips + slow if len(case.steps) >= MIN_STEPS else clips


def _explosions(case: _Case) -> str:
    told = [] if case.brief else case.exploding[:_MOST]
    highest = [wording.spike(spike.step, spike.where, spike.value, spike.times) for spike in told]
    return wording.exploding(highest, len(case.exploding), len(case.steps), led=case.facts.led)


def _is_led_by_groups(case: _Case) -> bool:
    return case.facts.led and case.strategy.group is not Group.DUMP and len(case.steps) >= EXPLODING_DUMPS


def _steady(case: _Case) -> str:
    top = max((spike.times for spike in case.steps), default=1.0)
    mean = case.rule == RULES[0]
    fair = "so the mean is a fair guide" if mean else f"so {case.rule} is as good a guide as the mean"
    guide = fair if case.chosen.rule == str(case.rule) else "but the mean would clip most of them"
    return wording.steady(top, case.strategy.group, guide)


def _moving(case: _Case) -> str:
    """Say where norms go, and what the threshold would be by the part after that alone."""
    way = case.way
    rate = case.facts.all.clip_rate(choose(case.rule, case.table.samples, case.strategy.name))
    whose = "steps" if case.strategy.group is Group.DUMP else "norms"
    told = f"the norms {_VERBS[way.kind]} from {way.start:.4g} to {way.end:.4g}"
    told += f", and the {case.rule} would clip {percent(rate)} of the {whose}"
    later = threshold_after(case.strategy, case.table, way)
    if later is None:
        return told
    since = wording.step_name(case.norms.steps[way.settled_row])
    then = f"rom {since} on alone, {GENTLE} would be {later:.4g}"
    return f"{told}. F{then}" if case.brief else f"{told} (f{then})"


def threshold_after(strategy: Strategy, table: NormTable, way: Trend) -> float | None:
    """Return what the gentle rule chooses from the part after norms have fallen or risen; None where there is none."""
    if not way.settled_row:
        return None
    later = table.norms[way.settled_row :][table.present[way.settled_row :]]
    try:
        return choose(GENTLE, NormSamples(later), strategy.name)
    except InputError:
        return None


_VERBS = {"falls": "fall", "rises": "rise", "steps": "step", "steady": "stay"}

CASES: tuple[tuple[Callable[[_Case], bool], Callable[[_Case], str]], ...] = (
    (lambda case: case.gentle and case.spread is None and has_moved(case.way), _moving),
    (lambda case: bool(case.exploding), _explosions),
    (lambda case: case.facts.zeros, lambda case: wording.mostly_zero(led=case.facts.led)),
    (lambda case: case.spread is not None, lambda case: case.spread or ""),
    (_is_led_by_groups, lambda case: wording.led_by_some_groups(case.strategy.group)),
    (
        lambda case: case.facts.led,
        lambda case: wording.led_by_some_steps(case.facts.summary.mean / case.facts.summary.median),
    ),
    (lambda _: True, _steady),
)
"""Conditions with the sentence for each; the first condition that holds gives the reason."""


def _reason(case: _Case) -> str:
    return next(sentence(case) for holds, sentence in CASES if holds(case))
