"""Norms over the dumps of a series."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gradclip_cli.arithmetic import norms
from gradclip_cli.checks import check_taken
from gradclip_cli.choosing import advice, recommend
from gradclip_cli.choosing.samples import Sample, lengths, sums
from gradclip_cli.errors import GradclipError, InputError, UsageError
from gradclip_cli.inputs import shards
from gradclip_cli.inputs.dumps import Dump
from gradclip_cli.inputs.likeness import unlike
from gradclip_cli.inputs.naming import Place
from gradclip_cli.plan import StatsPlan
from gradclip_cli.report import StatsDump, StatsLayer, StatsParam, StatsReport, Tried
from gradclip_cli.rows import Rows
from gradclip_cli.strategies import Group, Strategy
from gradclip_cli.strategies.clip_norm import GLOBAL
from gradclip_cli.tensors import TensorSpec
from gradclip_cli.text import count, listed
from gradclip_cli.thresholds import RULES, Replay, Rule
from gradclip_cli.thresholds.summary import Samples, Summary, summaries

_DIFFER = "give --allow-missing to go on with what all dumps share, or --shards if these are the files of ranks"

if TYPE_CHECKING:
    from gradclip_cli.choosing.schedules import Schedule


@dataclass(frozen=True)
class Layout:
    """What all dumps of a series have in common: their tensors, in the order of the first dump's layers."""

    specs: list[TensorSpec]
    shapes: list[tuple[int, ...] | None]
    places: list[Place]
    layers: list[str]
    starts: list[int]  # where the tensors of each layer begin; one more at the end
    labels: dict[str, str]
    notes: list[str]
    shared: bool  # whether other dumps may have more tensors than these

    @classmethod
    def of(cls, dump: Dump, shared: set[str] | None = None) -> "Layout":
        """Take the layout from a dump; of its tensors only those `shared` by all dumps, where that is asked for."""
        left = [] if shared is None else [name for name in dump.named if name not in shared]
        notes = [*dump.notes, *([f"left out, since not in all dumps: {listed(left)}"] if left else [])]
        named = {name: indices for name, indices in dump.named.items() if shared is None or name in shared}
        firsts = [indices[0] for indices in named.values()]
        places = [dump.places[k] for k in firsts]
        sizes = Counter(place.layer for place in places)
        starts = np.cumsum([0, *sizes.values()]).tolist()
        shapes = [dump.shape(indices) for indices in named.values()]
        return cls(
            [dump.tensors[k] for k in firsts],
            shapes,
            places,
            list(sizes),
            starts,
            dump.labels,
            notes,
            shared is not None,
        )

    def sample(self, dump: Dump, plan: StatsPlan) -> Sample:
        """Reduce a dump to its norms; raise InputError where its tensors, or their shapes, are not those of the first."""
        types, p = sums(plan), plan.norm.type
        names = [spec.name for spec in self.specs]
        what = "" if self.shared else unlike(dict(zip(names, self.shapes, strict=True)), dump)
        if what or not dump.named.keys() >= set(names):
            raise InputError(f"{what or 'changed while it was read'}; {_DIFFER}", path=dump.path)
        params = dump.stats.together([dump.named[name] for name in names], types)
        layers = params.together([range(a, b) for a, b in zip(self.starts, self.starts[1:], strict=False)], types)
        total = params.total(types)
        line = StatsDump(
            shards.shown(dump.path, dump.path),
            dump.step,
            total.as_read(norms.norm(total.powers[0], p)),
            total.as_read(total.max_abs),
            total.nonfinite,
        )
        by_layer, by_param = (stats.as_read(stats.norms(0, p)) for stats in (layers, params))
        more = lengths(total, layers, params, types) if plan.tries else None
        return Sample(line, by_layer, by_param, params.as_read(params.max_abs), more)

    def param(self, k: int, summary: Summary) -> StatsParam:
        """The row of a tensor."""
        spec, place = self.specs[k], self.places[k]
        return StatsParam(spec.name, place.layer, place.param, self.shapes[k], spec.dtype.name, summary)

    def groups(self, strategy: Strategy) -> list[tuple[str, str | None]]:
        """Return the layer of each group of a strategy that has several, and the name where it is one tensor."""
        if strategy.group is Group.LAYER:
            return [(layer, None) for layer in self.layers]
        return [(place.layer, spec.name) for spec, place in zip(self.specs, self.places, strict=True)]


def collect(
    surveys: Iterable[Callable[[], list[Dump]]], plan: StatsPlan, shared: set[str] | None = None
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


def _after_the_first(surveys: Iterable[Callable[[], list[Dump]]], skip: int) -> Iterator[Dump | InputError]:
    """Yield all dumps but the first `skip`, and in the place of one that cannot be read what is wrong with it."""
    seen = 0
    for survey in surveys:
        found: list[Dump] | list[InputError]
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
    rules = {str(rule): rule for rule in (*RULES, plan.rule) if isinstance(rule, Rule)}.values()
    offers = [
        advice.offer(strategy, rule, found[strategy.name], plan.norm.epsilon)
        for strategy in plan.strategies
        for rule in rules
    ]
    chosen = [one for one in offers if one.rule == str(plan.rule)]
    schedules = _schedules(plan, found)
    main = schedules.get((plan.strategy or GLOBAL).name)
    return StatsReport(
        plan.norm.type,
        [sample.dump for sample in samples],
        summaries(total)[0],
        Rows(lambda k: StatsLayer(layout.layers[k], layers[k]), range(len(layers))),
        Rows(lambda k: layout.param(k, params[k]), range(len(params))),
        [
            *(advice.with_advice(one, found[one.strategy]) for one in chosen),
            *(schedule.suggestion() for schedule in schedules.values()),
        ],
        [one for one in offers if any(one.rule == str(rule) for rule in RULES)],
        layout.labels,
        Rows(lambda k: [sample.layers.item(k) for sample in samples], range(len(layers))),
        layout.notes,
        list(failed),
        tries=_tries(plan, layout, samples) if plan.tries else None,
        own=advice.own_thresholds(plan, layout.layers, samples),
        advised=recommend.recommend(plan, samples, layout.layers, [spec.name for spec in layout.specs]),
        replay=main.steps([sample.dump for sample in samples]) if main else None,
        replay_groups=main.groups(layout.groups(main.strategy)) if main else None,
    )


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
