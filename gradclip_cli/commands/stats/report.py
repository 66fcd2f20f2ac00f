"""Assemble the report of `stats` from the norms of a series."""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from gradclip_cli.commands.stats.adaptive import AdaptiveRun
from gradclip_cli.commands.stats.advice import recommend
from gradclip_cli.commands.stats.collect import Collected, collect
from gradclip_cli.commands.stats.dump_norms import sums_for
from gradclip_cli.commands.stats.plan import StatsPlan
from gradclip_cli.commands.stats.suggest import annotated, candidates, own_thresholds
from gradclip_cli.commands.stats.what_if import what_if
from gradclip_cli.engine.run import Run
from gradclip_cli.engine.series import measure_series
from gradclip_cli.inputs.ordering import in_step_order
from gradclip_cli.lazy_rows import LazyRows
from gradclip_cli.notes import merged
from gradclip_cli.reports.stats import Candidate, StatsDump, StatsLayer, StatsReport, Suggestion, Tried
from gradclip_cli.strategies.builtin import GLOBAL
from gradclip_cli.thresholds.adaptive import AdaptiveRule
from gradclip_cli.thresholds.norm_table import SeriesNorms
from gradclip_cli.thresholds.rules import RULES


def report(plan: StatsPlan, collected: Collected) -> StatsReport:
    """Summarise a series."""
    layout, norms, failed, notes, nonfinite, _ = collected
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
        series=LazyRows(norms.layers.steps_of, range(len(layers))),
        notes=merged([*plan.notes, *layout.notes, *notes]),
        failed=failed,
        tries=_tries(plan, norms) if plan.tries else None,
        own=own_thresholds(plan, norms.layers),
        advised=recommend(plan, norms, offers),
        replay=main.steps(norms.steps) if main else None,
        replay_groups=main.groups() if main else None,
        nonfinite=nonfinite,
    )


def _dumps(norms: SeriesNorms) -> list[StatsDump]:
    totals = norms.total.norms[:, 0].tolist()
    tops = np.max(norms.max_abs.norms, axis=1, initial=0.0).tolist()
    return [
        StatsDump(step.input, step.number, total, top, step.nonfinite, step.name)
        for step, total, top in zip(norms.steps, totals, tops, strict=True)
    ]


def _suggestions(
    plan: StatsPlan, norms: SeriesNorms, offers: Sequence[Candidate], runs: Mapping[str, AdaptiveRun]
) -> list[Suggestion]:
    """Suggest a threshold by the plan's rule for each strategy: one for all steps, or one for each."""
    samples = {strategy.name: norms.compared(strategy).samples for strategy in plan.strategies}
    offered = [annotated(one, samples[one.strategy]) for one in offers if one.rule == str(plan.rule)]
    return [*offered, *(run.suggestion() for run in runs.values())]


def _tries(plan: StatsPlan, norms: SeriesNorms) -> list[Tried]:
    return [what_if(one, norms, plan.norm.epsilon) for one in plan.tries]


def _adaptive_runs(plan: StatsPlan, norms: SeriesNorms) -> dict[str, AdaptiveRun]:
    """Replay the plan's rule for each strategy, where it is adaptive."""
    rule = plan.rule
    if not isinstance(rule, AdaptiveRule):
        return {}
    return {one.name: AdaptiveRun(one, rule, norms.compared(one), plan.norm.epsilon) for one in plan.strategies}


def stats(plan: StatsPlan, run: Run) -> StatsReport:
    """Measure dumps one by one, keep only the norms of each, and report them."""
    sources, types = in_step_order(plan.inputs), sums_for(plan)
    found = collect((partial(measure_series, source, types, run) for source in sources), plan)
    return report(plan, found)._replace(peak=found.largest.peak(run) if found.largest is not None else None)
