"""Assemble the report of `stats` from the norms of a series."""

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from gradclip_cli.commands.stats.adaptive import AdaptiveRun
from gradclip_cli.commands.stats.advice import recommend
from gradclip_cli.commands.stats.collect import Collected, Taken, collect
from gradclip_cli.commands.stats.dump_norms import sums_for
from gradclip_cli.commands.stats.findings import found
from gradclip_cli.commands.stats.next_step import next_command
from gradclip_cli.commands.stats.plan import StatsPlan
from gradclip_cli.commands.stats.ratios import WeightRatios, columns_of
from gradclip_cli.commands.stats.series import beside_weights, blocks, kind_norms, module_kinds, series, steps_of
from gradclip_cli.commands.stats.shares import other_dtypes, shares, size
from gradclip_cli.commands.stats.suggest import candidates, own_thresholds, suggestions
from gradclip_cli.commands.stats.what_if import what_if
from gradclip_cli.engine.run import Run
from gradclip_cli.engine.series import Measure
from gradclip_cli.engine.small_dumps import measure_each
from gradclip_cli.engine.survey import MeasuredDump
from gradclip_cli.engine.weights import Weights, measure_weights
from gradclip_cli.inputs.captured import outstanding_note
from gradclip_cli.inputs.naming import block_noun
from gradclip_cli.inputs.ordering import in_step_order
from gradclip_cli.lazy_rows import LazyRows, Zipped
from gradclip_cli.notes import Note, merged
from gradclip_cli.reports.ratios import Ratio
from gradclip_cli.reports.stats import StatsDump, StatsLayer, StatsReport
from gradclip_cli.reports.stats_series import BlockStep, KindStep, LayerStep
from gradclip_cli.reports.stats_thresholds import Tried
from gradclip_cli.strategies.builtin import GLOBAL
from gradclip_cli.thresholds.adaptive import AdaptiveRule
from gradclip_cli.thresholds.norm_table import SeriesNorms
from gradclip_cli.thresholds.rules import RULES

if TYPE_CHECKING:
    from gradclip_cli.engine.memory.memory import Memory
    from gradclip_cli.inputs.norm_logs.joining import JoinedLogs


def report(plan: StatsPlan, collected: Collected) -> StatsReport:
    """Summarise a series."""
    layout, norms, failed, notes, nonfinite, _, ratios, _ = collected
    layers, params = norms.layers.summaries(), norms.params.summaries()
    usual = norms.without_outstanding()  # what thresholds are chosen from
    offers, runs = candidates(plan, usual), _adaptive_runs(plan, norms)
    main = runs.get((plan.strategy or GLOBAL).name)
    advised = [recommend(plan, usual, strategy) for strategy in plan.shown]
    dumps = _dumps(plan, norms, ratios)
    single = len(dumps) == 1 and plan.logs is None
    kinds = kind_norms(layout, norms, plan.norm.type if plan.logs is None else 2.0)
    return StatsReport(
        norm_type=plan.norm.type,
        epsilon=plan.norm.epsilon,
        min_weight_norm=plan.min_weight_norm,
        dumps=dumps,
        total=norms.total.samples.summary(),
        blocks=blocks(layout, norms, plan.selection.naming, ratios),
        module_kinds=module_kinds(layout, kinds, ratios),
        layers=LazyRows(
            StatsLayer._make, Zipped(layout.layers, layers, *columns_of(ratios and ratios.layers, len(layers)))
        ),
        params=layout.params(params, columns_of(ratios and ratios.params, len(params))),
        suggestions=[*suggestions(plan, usual, offers), *(run.suggestion(norms.steps) for run in runs.values())],
        candidates=[one for one in offers if any(one.rule == str(rule) for rule in RULES)],
        labels=layout.labels,
        block_noun=block_noun(layout.layers, plan.selection.naming),
        notes=merged([*plan.notes, *layout.notes, *notes, *_on_samples(norms, usual)]),
        failed=failed,
        tries=_tries(plan, usual) if plan.tries else None,
        own=own_thresholds(plan, usual.layers),
        advice=advised[0],
        advised=advised,
        shares=shares(layout, norms, plan.selection.naming, plan.norm.type) if single else None,
        size=size(layout) if plan.logs is None else None,
        inputs=plan.given,
        command=next_command(plan, advised[0], bad=any(dump.nonfinite for dump in dumps)) if plan.logs is None else "",
        replay=main.steps(norms.steps) if main else None,
        replay_groups=main.groups() if main else None,
        layer_steps=steps_of(lambda: norms.layers, dumps, LayerStep),
        block_steps=steps_of(lambda: norms.blocks, dumps, BlockStep),
        kind_steps=steps_of(kinds, dumps, KindStep),
        series=series(norms),
        **found(plan, layout, norms),
        lr=plan.lr,
        beside=beside_weights(ratios),
        nonfinite=nonfinite,
    )


def _on_samples(norms: SeriesNorms, usual: SeriesNorms) -> list[Note]:
    """Note dumps that count for no threshold."""
    others = len(norms.steps) - len(usual.steps)
    return [outstanding_note(others, len(usual.steps))] if others else []


def _dumps(plan: StatsPlan, norms: SeriesNorms, ratios: WeightRatios | None) -> list[StatsDump]:
    totals = norms.total.norms[:, 0].tolist()
    tops = np.max(norms.max_abs.norms, axis=1, initial=0.0).tolist() if plan.logs is None else [None] * len(totals)
    beside = ratios.total.of_steps() if ratios is not None else [Ratio()] * len(totals)
    return [
        StatsDump(step.input, step.number, total, top, step.nonfinite, step.name, step.stood_out, *ratio)
        for step, total, top, ratio in zip(norms.steps, totals, tops, beside, strict=True)
    ]


def _tries(plan: StatsPlan, norms: SeriesNorms) -> list[Tried]:
    return [what_if(one, norms, plan.norm.epsilon) for one in plan.tries]


def _adaptive_runs(plan: StatsPlan, norms: SeriesNorms) -> dict[str, AdaptiveRun]:
    """Replay the plan's rule for each strategy, where it is adaptive."""
    rule = plan.rule
    if not isinstance(rule, AdaptiveRule):
        return {}
    own = [one for one in plan.strategies if rule.suits(one)]
    return {
        one.name: AdaptiveRun(one, rule, norms.compared(one), plan.norm.epsilon, norms.compared(GLOBAL), norms.elements)
        for one in own
    }


def stats(plan: StatsPlan, run: Run, memory: "Memory | None" = None) -> StatsReport:
    """Measure dumps one by one, keep only the norms of each, and report them; logs are read.

    What the memory holds is not read.
    """
    if plan.logs is None:
        weights = measure_weights(plan.weights, run, allow_missing=plan.allow_missing) if plan.weights else None
        inputs, sums = in_step_order(plan.inputs), sums_for(plan)
        if memory is None:
            return stats_of(measure_each(inputs, sums, run), plan, run, weights=weights)
        recalled = _Recalled(memory, plan.skip_steps)
        surveys = map(recalled.counted, memory.measure_each(inputs, sums, run))
        return stats_of(surveys, plan, run, weights=weights)._replace(cached=recalled.dumps)
    from gradclip_cli.commands.stats.logged import read_logs  # with all readers of logs, which dumps need not wait for

    return stats_of_logs(read_logs(plan), plan)


class _Recalled:
    """Counts the `dumps` that a memory holds, but for the first `skipped` of a run."""

    def __init__(self, memory: "Memory", skipped: int) -> None:
        self._memory, self._skipped, self.dumps = memory, skipped, 0

    def counted(self, measure: Measure) -> Measure:
        """Return what measures the dumps of a source as `measure` does, and counts them."""

        def measured() -> list[MeasuredDump]:
            before = self._memory.cached
            dumps = measure()
            skipped = min(self._skipped, len(dumps))
            self._skipped -= skipped
            self.dumps += max(0, self._memory.cached - before - skipped)
            return dumps

        return measured


def stats_of(
    surveys: Iterable[Measure],
    plan: StatsPlan,
    run: Run,
    taken: Taken | None = None,
    weights: Weights | None = None,
) -> StatsReport:
    """Report the norms of dumps; each of `surveys` measures the dumps of one source, in the order of their steps.

    `taken` is called with each dump that counts.
    """
    others = list[dict[str, int]]()

    def measured(measure: Measure) -> list[MeasuredDump]:
        dumps = measure()
        others.extend([other_dtypes(dumps[0], plan.selection)] if dumps and not others else [])
        return dumps

    found = _with_elements(collect((partial(measured, one) for one in surveys), plan, taken, weights), run)
    made = report(plan, found)
    held = made.size and made.size._replace(others=others[0] if others else {})
    return made._replace(size=held, peak=found.largest.peak(run) if found.largest is not None else None)


def _with_elements(found: Collected, run: Run) -> Collected:
    """Return what was collected with the elements of all tensors, if a rule looks at these again."""
    if not found.located:
        return found
    from gradclip_cli.engine.limited_norms import Located, SeriesElements  # with all that changes elements

    norms, columns = found.norms, {str(group): k for k, group in enumerate(found.norms.params.groups)}
    located = [
        Located(places, np.array([columns[name] for name in names], np.int64)) for places, names in found.located
    ]
    squares = norms.params if norms.l2 is None else norms.l2.params
    elements = SeriesElements(located, norms.max_abs.norms, squares.norms, run)
    return found._replace(norms=norms._replace(elements=elements))


def stats_of_logs(joined: "JoinedLogs", plan: StatsPlan) -> StatsReport:
    """Report the norms of logs."""
    from gradclip_cli.commands.stats.logged import collect_logs

    logged = collect_logs(joined, plan)
    return report(logged.plan, logged.collected)._replace(source="log", column=logged.column, log=logged.kind)
