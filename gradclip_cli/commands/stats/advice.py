"""What to take, and how far that may be trusted: which case holds of a series, for somebody who has never chosen a threshold."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from gradclip_cli.commands.stats import wording
from gradclip_cli.commands.stats.plan import StatsPlan
from gradclip_cli.commands.stats.spikes import Spike, Spikes, spikes, trend
from gradclip_cli.errors import InputError
from gradclip_cli.report import Advised, Candidate
from gradclip_cli.strategies import Group, Strategy
from gradclip_cli.strategies.builtin import GLOBAL
from gradclip_cli.text import count
from gradclip_cli.thresholds.base import EXPLODING_DUMPS, EXPLODING_FACTOR
from gradclip_cli.thresholds.norm_table import NormTable, SeriesNorms
from gradclip_cli.thresholds.rules import GENTLE, OUTLIER_SENSITIVE, ROBUST, RULES, Rule, choose
from gradclip_cli.thresholds.samples import NormSamples
from gradclip_cli.thresholds.summary import Summary

_LED = 3.0
_MOST = 3

Candidates = Sequence[Candidate]


class _Known(NamedTuple):
    """The norms of a strategy: all; those above 0, if most are `zeros`, and else all; which of them do not explode.

    `summary` is that of `some`, whose mean is `led` by a few of them or not.
    """

    all: NormSamples
    some: NormSamples
    calm: NormSamples
    summary: Summary
    zeros: bool
    led: bool

    @classmethod
    def of(cls, every: NormSamples, calm: NormSamples) -> "_Known":
        zeros = not every.summary().median
        some, calm = (every.above_zero(), calm.above_zero()) if zeros else (every, calm)
        summary = some.summary()
        return cls(every, some, calm, summary, zeros, summary.mean > _LED * min(summary.median, calm.summary().mean))


class _Choice(NamedTuple):
    """A threshold that was chosen, by which rule and of which norms; `reason` says why there is none."""

    rule: str
    threshold: float | None
    clip_rate: float
    reason: str = ""


class _Case(NamedTuple):
    """What is known of a series when a sentence is chosen."""

    strategy: Strategy
    rule: Rule
    known: _Known
    steps: Sequence[Spike]
    exploding: Sequence[Spike]
    trend: str | None
    chosen: _Choice


def recommend(plan: StatsPlan, norms: SeriesNorms, candidates: Candidates) -> Advised:
    """Say what to take for the plan's strategy, or for the global norm, and which steps are not finite."""
    strategy = plan.strategy or GLOBAL
    table = norms.compared(strategy)
    nonfinite = _nonfinite(norms)
    if line := _too_little(strategy, norms, table):
        return Advised(strategy.name, None, None, doubtful=False, lines=[line, *nonfinite])
    if line := _two_steps(norms) or wording.already_clipped(table.samples):
        return Advised(strategy.name, None, None, doubtful=True, lines=[f"{line}.", *nonfinite])
    offered = {one.rule: one for one in candidates if one.strategy == strategy.name}
    return _advised(plan, strategy, norms, table, offered, nonfinite)


def _too_little(strategy: Strategy, norms: SeriesNorms, table: NormTable) -> str:
    """Say so where there is nothing to choose from, or one step only."""
    summary = table.samples.summary()
    if not len(norms.params.groups):
        return wording.NO_GRADIENT
    if not summary.count:
        return wording.NO_FINITE_NORM
    if not summary.max:
        return wording.ALL_ZERO
    return wording.one_step(strategy, summary) if np.count_nonzero(table.finite.any(axis=1)) == 1 else ""


def _two_steps(norms: SeriesNorms) -> str:
    """Say so where there are two steps that are far apart, whose mean is neither: nothing where there are others."""
    found = sorted(norms.total.samples.finite.tolist())
    if len(found) != 2 or found[1] <= EXPLODING_FACTOR * found[0]:
        return ""
    return wording.two_steps(*found)


def _nonfinite(norms: SeriesNorms) -> list[str]:
    totals = norms.total.norms[:, 0].tolist()
    bad = [s for s, norm in zip(norms.steps, totals, strict=True) if s.nonfinite or not math.isfinite(norm)]
    return [wording.nonfinite_steps(bad, len(norms.steps))] if bad else []


def _advised(
    plan: StatsPlan,
    strategy: Strategy,
    norms: SeriesNorms,
    table: NormTable,
    offered: Mapping[str, Candidate],
    nonfinite: Sequence[str],
) -> Advised:
    """Say what to take for a strategy of several steps, why, how much it clips, and how to try it."""
    high = spikes(norms, table)
    case = _case(plan, strategy, table, high, trend(norms, table), offered)
    chosen = case.chosen
    if chosen.threshold is None:
        return Advised(strategy.name, None, None, doubtful=True, lines=[f"{chosen.reason}.", *nonfinite])
    few = f"; only {count(len(high.steps), 'step')}, so measure more before you rely on it"
    single = "" if case.rule is plan.rule else "for one threshold at every step, "
    line = f"{single}take {chosen.threshold:.4g} ({chosen.rule}) for {strategy.name}: {_reason(case)}; {_clips(case)}"
    doubtful = chosen.rule != str(case.rule) or (case.trend is not None and not (case.known.led and case.exploding))
    lines = [f"{line}{few if len(high.steps) < wording.MIN_STEPS else ''}.", f"Try: {_command(plan, case)}", *nonfinite]
    return Advised(strategy.name, chosen.rule, chosen.threshold, case.rule is plan.rule and doubtful, lines)


def _case(
    plan: StatsPlan,
    strategy: Strategy,
    table: NormTable,
    high: Spikes,
    trend: str | None,
    offered: Mapping[str, Candidate],
) -> _Case:
    known = _Known.of(table.samples, high.without_spikes)
    rule = plan.rule if isinstance(plan.rule, Rule) else RULES[0]  # an adaptive one has no threshold to be taken
    exploding = sorted((spike for spike in high.steps if spike.explodes), key=lambda spike: -spike.times)
    epsilon = plan.norm.epsilon if strategy.takes_norm else 0.0
    chosen = _chosen(strategy, rule, known, epsilon, offered, exploded=known.led and bool(exploding))
    case = _Case(strategy, rule, known, high.steps, exploding, trend, chosen)
    return case._replace(chosen=_offered(offered[str(GENTLE)])) if _is_needless(case) else case


def _offered(one: Candidate) -> _Choice:
    return _Choice(one.rule, one.threshold, one.clip_rate or 0.0, one.reason or "")


def _choose(strategy: Strategy, rule: Rule, samples: NormSamples, known: _Known, epsilon: float, which: str) -> _Choice:
    """Choose by a rule from some of the norms, and say how many of all are clipped."""
    try:
        threshold = choose(rule, samples, strategy.name)
    except InputError as error:
        return _Choice(str(rule), None, 0.0, error.message)
    return _Choice(f"{rule} of what {which}", threshold, known.all.clip_rate(threshold, epsilon))


def _chosen(
    strategy: Strategy,
    rule: Rule,
    known: _Known,
    epsilon: float,
    offered: Mapping[str, Candidate],
    *,
    exploded: bool,
) -> _Choice:
    """Choose by the rule, the robust one or the mean; where that would be the threshold of an explosion, by what is calm."""
    wanted = ROBUST if known.led and rule.name in OUTLIER_SENSITIVE else rule
    zeros = "is not 0"
    choices = [
        _choose(strategy, one, known.some, known, epsilon, zeros) if known.zeros else _offered(offered[str(one)])
        for one in (wanted, RULES[0])
    ]
    chosen = next((one for one in choices if one.threshold is not None), choices[-1])
    if exploded and (chosen.threshold or 0.0) > EXPLODING_FACTOR * known.calm.summary().median > 0:
        which = f"does not explode and {zeros}" if known.zeros else "does not explode"
        calm = _choose(strategy, rule, known.calm, known, epsilon, which)
        return chosen if calm.threshold is None else calm
    return chosen


def _is_needless(case: _Case) -> bool:
    """Whether the mean would clip most of what needs no clipping: norms that do not explode, and stay where they are."""
    unsteady = case.known.led or case.known.zeros or case.exploding or case.trend is not None
    return (
        len(case.steps) >= wording.MIN_STEPS
        and not unsteady
        and case.rule == RULES[0]
        and case.chosen.threshold is not None
        and case.chosen.clip_rate > 0.5
    )


def _clips(case: _Case) -> str:
    """Say how much would be clipped, and what to do instead where that is most of it."""
    clips = wording.clipping(case.strategy.group, case.chosen.clip_rate)
    if case.chosen.clip_rate <= 0.5:
        return clips
    first = next((spike for spike in case.steps if spike.explodes), None)
    if first is not None:
        return f"{clips}, so find out first what happened at {wording.step_name(first.step)}"
    slow = ", which slows every step down: lower the learning rate instead"
    # Two of three steps may well be above their mean.
    return clips + slow if len(case.steps) >= wording.MIN_STEPS else clips


def _explosions(case: _Case) -> str:
    highest = [
        wording.spike(spike.step, spike.where, spike.value, spike.times, before=spike.before)
        for spike in case.exploding[:_MOST]
    ]
    return wording.exploding(highest, len(case.exploding), len(case.steps), led=case.known.led)


def _is_led_by_groups(case: _Case) -> bool:
    return case.known.led and case.strategy.group is not Group.DUMP and len(case.steps) >= EXPLODING_DUMPS


def _calm(case: _Case) -> str:
    top = max((spike.times for spike in case.steps), default=1.0)
    mean = case.rule == RULES[0]
    fair = "so the mean is a fair guide" if mean else f"so {case.rule} is as good a guide as the mean"
    guide = fair if case.chosen.rule == str(case.rule) else "but the mean would clip most of them"
    return wording.calm(top, case.strategy.group, guide)


CASES: tuple[tuple[Callable[[_Case], bool], Callable[[_Case], str]], ...] = (
    (lambda case: bool(case.exploding), _explosions),
    (lambda case: case.known.zeros, lambda case: wording.mostly_zero(led=case.known.led)),
    (lambda case: case.trend is not None, lambda case: case.trend or ""),
    (_is_led_by_groups, lambda case: wording.led_by_some_groups(case.strategy.group)),
    (
        lambda case: case.known.led,
        lambda case: wording.led_by_some_steps(case.known.summary.mean / case.known.summary.median),
    ),
    (lambda case: True, _calm),
)
"""When a sentence holds, and the sentence; the first that holds is told."""


def _reason(case: _Case) -> str:
    return next(sentence(case) for holds, sentence in CASES if holds(case))


def _command(plan: StatsPlan, case: _Case) -> str:
    """Write what shows the threshold at work on the highest of the dumps that `apply` takes."""
    whole = [spike for spike in case.steps if not spike.step.nonfinite]
    highest = max(
        whole, key=lambda spike: (spike.explodes, spike.times if spike.explodes else spike.norm), default=None
    )
    path = "FILE" if highest is None else wording.shell_path(highest.step)
    patterns = [
        *(("--include", pattern) for pattern in plan.selection.include),
        *(("--exclude", pattern) for pattern in plan.selection.exclude),
    ]
    return wording.command(path, case.strategy, case.chosen.threshold or 0.0, plan.norm, patterns)
