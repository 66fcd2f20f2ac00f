"""The report of `stats`, put together from the norms of a series."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from gradclip_cli.commands.stats.advice import recommend
from gradclip_cli.commands.stats.collect import Collected
from gradclip_cli.commands.stats.plan import StatsPlan
from gradclip_cli.commands.stats.suggest import annotated, candidates, own_thresholds
from gradclip_cli.lazy_rows import LazyRows
from gradclip_cli.reports.stats import Candidate, StatsDump, StatsLayer, StatsReport, Suggestion, Tried
from gradclip_cli.strategies.builtin import GLOBAL
from gradclip_cli.thresholds.adaptive import AdaptiveRule
from gradclip_cli.thresholds.norm_table import SeriesNorms
from gradclip_cli.thresholds.rules import RULES

if TYPE_CHECKING:
    from gradclip_cli.commands.stats.adaptive import AdaptiveRun


def report(plan: StatsPlan, collected: Collected, notes: Sequence[str] = ()) -> StatsReport:
    """Summarise a series; `notes` are those on the inputs."""
    layout, norms, failed = collected
    layers, params = norms.layers.summaries(), norms.params.summaries()
    offers, runs = candidates(plan, norms), _adaptive_runs(plan, norms)
    main = runs.get((plan.strategy or GLOBAL).name)
    return StatsReport(
        norm_type=plan.norm.type,
        dumps=_dumps(norms),
        total=norms.total.samples.summary(),
        layers=LazyRows(lambda k: StatsLayer(layout.layers[k], layers[k]), range(len(layers))),
        params=LazyRows(lambda k: layout.param(k, params[k]), range(len(params))),
        suggestions=_suggestions(plan, norms, offers, runs),
        candidates=[one for one in offers if any(one.rule == str(rule) for rule in RULES)],
        labels=layout.labels,
        series=LazyRows(lambda k: norms.layers.norms[:, k].tolist(), range(len(layers))),
        notes=[*layout.notes, *notes],
        failed=failed,
        tries=_tries(plan, norms) if plan.tries else None,
        own=own_thresholds(plan, norms.layers),
        advised=recommend(plan, norms, offers),
        replay=main.steps(norms.steps) if main else None,
        replay_groups=main.groups() if main else None,
    )


def _dumps(norms: SeriesNorms) -> list[StatsDump]:
    totals = norms.total.norms[:, 0].tolist()
    tops = np.max(norms.max_abs.norms, axis=1, initial=0.0).tolist()
    return [
        StatsDump(step.input, step.number, total, top, step.nonfinite)
        for step, total, top in zip(norms.steps, totals, tops, strict=True)
    ]


def _suggestions(
    plan: StatsPlan, norms: SeriesNorms, offers: Sequence[Candidate], runs: "Mapping[str, AdaptiveRun]"
) -> list[Suggestion]:
    """Say what the plan's own rule suggests under each strategy: one threshold, or one for each step."""
    samples = {strategy.name: norms.compared(strategy).samples for strategy in plan.strategies}
    offered = [annotated(one, samples[one.strategy]) for one in offers if one.rule == str(plan.rule)]
    return [*offered, *(run.suggestion() for run in runs.values())]


def _tries(plan: StatsPlan, norms: SeriesNorms) -> list[Tried]:
    from gradclip_cli.commands.stats.what_if import what_if

    return [what_if(one, norms, plan.norm.epsilon) for one in plan.tries]


def _adaptive_runs(plan: StatsPlan, norms: SeriesNorms) -> "dict[str, AdaptiveRun]":
    """Replay the rule under each strategy, where its threshold differs from step to step."""
    rule = plan.rule
    if not isinstance(rule, AdaptiveRule):
        return {}
    from gradclip_cli.commands.stats.adaptive import AdaptiveRun

    return {one.name: AdaptiveRun(one, rule, norms.compared(one), plan.norm.epsilon) for one in plan.strategies}
