"""Norms over the dumps of a series."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from gradclip_cli.choosing import advice, recommend
from gradclip_cli.choosing.layout import Layout
from gradclip_cli.choosing.samples import Sample
from gradclip_cli.engine.series import check_taken
from gradclip_cli.engine.survey import MeasuredDump
from gradclip_cli.errors import GradclipError, InputError, UsageError
from gradclip_cli.lazy_rows import LazyRows
from gradclip_cli.plan.stats import StatsPlan
from gradclip_cli.reports import Candidate, StatsLayer, StatsReport, Suggestion, Tried
from gradclip_cli.strategies.clip_norm import GLOBAL
from gradclip_cli.text import count
from gradclip_cli.thresholds import RULES, Replay, Rule
from gradclip_cli.thresholds.summary import Samples, summaries

if TYPE_CHECKING:
    from gradclip_cli.choosing.schedules import Schedule


def collect(
    surveys: Iterable[Callable[[], list[MeasuredDump]]], plan: StatsPlan, shared: set[str] | None = None
) -> tuple[Layout, list[Sample], list[GradclipError]]:
    """Reduce dumps to their norms, one after the other; the first says which tensors the others must have.

    Of the first `skip_steps` nothing is asked, whether they can be read or not.
    With `keep_going`, what is wrong with a dump is returned in the end, unless no dump could be read.
    """
    layout: Layout | None = None
    samples: list[Sample] = []
    failed: list[GradclipError] = []
    for found in _after_the_first(surveys, plan.skip_steps):
        try:
            if isinstance(found, InputError):
                raise found
            if layout is None:
                check_taken([found], plan.selection)
            layout = layout or Layout.of(found, shared)
            samples.append(layout.sample(found, plan))
        except InputError as error:
            if not plan.keep_going:
                raise
            failed.append(error)
    if layout is None or not samples:
        raise failed[0]
    return layout, samples, failed


def _after_the_first(
    surveys: Iterable[Callable[[], list[MeasuredDump]]], skip: int
) -> Iterator[MeasuredDump | InputError]:
    """Yield all dumps but the first `skip`, and in the place of one that cannot be read what is wrong with it."""
    seen = 0
    for survey in surveys:
        found: list[MeasuredDump] | list[InputError]
        try:
            found = survey()
        except InputError as error:
            found = [error]
        yield from found[max(0, skip - seen) :]
        seen += len(found)
    if skip >= seen:
        raise UsageError(f"--skip-steps {skip} leaves nothing of {count(seen, 'dump')}")


def report(
    plan: StatsPlan, layout: Layout, samples: Sequence[Sample], failed: Sequence[GradclipError] = ()
) -> StatsReport:
    """Summarise a series."""
    total = np.array([[sample.dump.norm] for sample in samples])
    layers = summaries(np.array([sample.layers for sample in samples]))
    params = summaries(np.array([sample.params for sample in samples]))
    found = {strategy.name: advice.compared(strategy, samples) for strategy in plan.strategies}
    offers, schedules = _offers(plan, found), _schedules(plan, found)
    main = schedules.get((plan.strategy or GLOBAL).name)
    return StatsReport(
        plan.norm.type,
        [sample.dump for sample in samples],
        summaries(total)[0],
        LazyRows(lambda k: StatsLayer(layout.layers[k], layers[k]), range(len(layers))),
        LazyRows(lambda k: layout.param(k, params[k]), range(len(params))),
        _suggestions(plan, found, offers, schedules),
        [one for one in offers if any(one.rule == str(rule) for rule in RULES)],
        layout.labels,
        LazyRows(lambda k: [sample.layers.item(k) for sample in samples], range(len(layers))),
        layout.notes,
        list(failed),
        tries=_tries(plan, layout, samples) if plan.tries else None,
        own=advice.own_thresholds(plan, layout.layers, samples),
        advised=recommend.recommend(plan, samples, layout.layers, [spec.name for spec in layout.specs]),
        replay=main.steps([sample.dump for sample in samples]) if main else None,
        replay_groups=main.groups(layout.groups(main.strategy)) if main else None,
    )


def _offers(plan: StatsPlan, found: Mapping[str, Samples]) -> list[Candidate]:
    """What each rule would choose under each strategy; the plan's own beside the usual ones, where it is another."""
    rules = {str(rule): rule for rule in (*RULES, plan.rule) if isinstance(rule, Rule)}.values()
    return [
        advice.offer(strategy, rule, found[strategy.name], plan.norm.epsilon)
        for strategy in plan.strategies
        for rule in rules
    ]


def _suggestions(
    plan: StatsPlan, found: Mapping[str, Samples], offers: Sequence[Candidate], schedules: "Mapping[str, Schedule]"
) -> list[Suggestion]:
    """What the plan's own rule suggests under each strategy: one threshold, or one for each step."""
    offered = [advice.with_advice(one, found[one.strategy]) for one in offers if one.rule == str(plan.rule)]
    return [*offered, *(schedule.suggestion() for schedule in schedules.values())]


def _tries(plan: StatsPlan, layout: Layout, samples: Sequence[Sample]) -> list[Tried]:
    from gradclip_cli.choosing.tries import tried

    return [tried(one, samples, layout.layers, layout.starts, plan.norm.epsilon) for one in plan.tries]


def _schedules(plan: StatsPlan, found: Mapping[str, Samples]) -> "dict[str, Schedule]":
    """Replay the rule under each strategy, where its threshold differs from step to step."""
    rule = plan.rule
    if not isinstance(rule, Replay):
        return {}
    from gradclip_cli.choosing.schedules import Schedule

    return {one.name: Schedule.of(one, rule, found[one.name], plan.norm.epsilon) for one in plan.strategies}


def in_order(samples: Sequence[Sample]) -> list[Sample]:
    """Put samples in the order of their steps; where any has no step, the order stays."""
    if any(sample.dump.step is None for sample in samples):
        return [sample._replace(dump=sample.dump._replace(step=None)) for sample in samples]
    return sorted(samples, key=lambda sample: sample.dump.step or 0)
