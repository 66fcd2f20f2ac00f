"""Recommend a threshold to a user who has never chosen one, and say how far to trust it."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from gradclip_cli.commands.stats import wording
from gradclip_cli.commands.stats.choice import Choice, NormFacts, choice_of, choose_threshold
from gradclip_cli.commands.stats.plan import StatsPlan
from gradclip_cli.commands.stats.spikes import Spike, Spikes, spikes, trend
from gradclip_cli.reports.stats import Advised, Candidate
from gradclip_cli.strategies import Group, Strategy
from gradclip_cli.strategies.builtin import GLOBAL
from gradclip_cli.text import plural
from gradclip_cli.thresholds.base import EXPLODING_DUMPS, EXPLODING_FACTOR
from gradclip_cli.thresholds.norm_table import NormTable, SeriesNorms
from gradclip_cli.thresholds.rules import GENTLE, RULES, Rule

_MOST = 3

Candidates = Sequence[Candidate]


class _Case(NamedTuple):
    """The facts about a series from which the reason of a recommendation is chosen."""

    strategy: Strategy
    rule: Rule
    facts: NormFacts
    steps: Sequence[Spike]
    exploding: Sequence[Spike]
    trend: str | None
    chosen: Choice


def recommend(plan: StatsPlan, norms: SeriesNorms, candidates: Candidates) -> Advised:
    """Recommend a threshold for the plan's strategy, or for the global norm, and name the steps that are not finite."""
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
    """Say that there is nothing to choose from, or only one step; return an empty text otherwise."""
    summary = table.samples.summary()
    if not len(norms.params.groups):
        return wording.NO_GRADIENT
    if not summary.count:
        return wording.NO_FINITE_NORM
    if not summary.max:
        return wording.ALL_ZERO
    return wording.one_step(strategy, summary) if np.count_nonzero(table.finite.any(axis=1)) == 1 else ""


def _two_steps(norms: SeriesNorms) -> str:
    """Say that the only two steps are far apart, so that their mean is typical of neither; empty otherwise."""
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
    """Recommend a threshold from several steps: why, how much it clips, and how to try it."""
    high = spikes(norms, table)
    case = _case(plan, strategy, table, high, trend(norms, table), offered)
    chosen = case.chosen
    if chosen.threshold is None:
        return Advised(strategy.name, None, None, doubtful=True, lines=[f"{chosen.reason}.", *nonfinite])
    few = f"; only {plural(len(high.steps), 'step')}, so measure more before you rely on it"
    single = "" if case.rule is plan.rule else "for one threshold at every step, "
    line = f"{single}take {chosen.threshold:.4g} ({chosen.rule}) for {strategy.name}: {_reason(case)}; {_clips(case)}"
    doubtful = chosen.rule != str(case.rule) or (case.trend is not None and not (case.facts.led and case.exploding))
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
    facts = NormFacts.of(table.samples, high.without_spikes)
    rule = (
        plan.rule if isinstance(plan.rule, Rule) else RULES[0]
    )  # an adaptive rule has no single threshold to recommend
    exploding = sorted((spike for spike in high.steps if spike.explodes), key=lambda spike: -spike.times)
    epsilon = plan.norm.epsilon if strategy.takes_norm else 0.0
    chosen = choose_threshold(strategy, rule, facts, epsilon, offered, exploded=facts.led and bool(exploding))
    case = _Case(strategy, rule, facts, high.steps, exploding, trend, chosen)
    return case._replace(chosen=choice_of(offered[str(GENTLE)])) if _clips_steady_series(case) else case


def _clips_steady_series(case: _Case) -> bool:
    """Return whether the mean would clip most of a steady series, one that does not explode and has no trend."""
    unsteady = case.facts.led or case.facts.zeros or case.exploding or case.trend is not None
    return (
        len(case.steps) >= wording.MIN_STEPS
        and not unsteady
        and case.rule == RULES[0]
        and case.chosen.threshold is not None
        and case.chosen.clip_rate > 0.5
    )


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
    return clips + slow if len(case.steps) >= wording.MIN_STEPS else clips


def _explosions(case: _Case) -> str:
    highest = [wording.spike(spike.step, spike.where, spike.value, spike.times) for spike in case.exploding[:_MOST]]
    return wording.exploding(highest, len(case.exploding), len(case.steps), led=case.facts.led)


def _is_led_by_groups(case: _Case) -> bool:
    return case.facts.led and case.strategy.group is not Group.DUMP and len(case.steps) >= EXPLODING_DUMPS


def _steady(case: _Case) -> str:
    top = max((spike.times for spike in case.steps), default=1.0)
    mean = case.rule == RULES[0]
    fair = "so the mean is a fair guide" if mean else f"so {case.rule} is as good a guide as the mean"
    guide = fair if case.chosen.rule == str(case.rule) else "but the mean would clip most of them"
    return wording.steady(top, case.strategy.group, guide)


CASES: tuple[tuple[Callable[[_Case], bool], Callable[[_Case], str]], ...] = (
    (lambda case: bool(case.exploding), _explosions),
    (lambda case: case.facts.zeros, lambda case: wording.mostly_zero(led=case.facts.led)),
    (lambda case: case.trend is not None, lambda case: case.trend or ""),
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


def _command(plan: StatsPlan, case: _Case) -> str:
    """Write a command that tries the threshold on the highest dump without NaN or infinities, which `apply` refuses."""
    whole = [spike for spike in case.steps if not spike.step.nonfinite]
    highest = max(
        whole, key=lambda spike: (spike.explodes, spike.times if spike.explodes else spike.norm), default=None
    )
    path = "FILE" if highest is None else wording.shell_path(highest.step)
    along, accumulate = plan.selection.along, plan.inputs[0].layout.accumulate if plan.inputs else None
    patterns = [
        *([("--along", str(along))] if along is not None else []),
        *([("--accumulate", accumulate)] if accumulate else []),
        *(("--include", pattern) for pattern in plan.selection.include),
        *(("--exclude", pattern) for pattern in plan.selection.exclude),
    ]
    return wording.command(path, case.strategy, case.chosen.threshold or 0.0, plan.norm, patterns)
