"""Norms over the dumps of a series."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from gradclip_cli import advice, norms, shards
from gradclip_cli.checks import check_taken
from gradclip_cli.dumps import Dump
from gradclip_cli.errors import InputError, UsageError
from gradclip_cli.measure import NormTypes, Stats, merge, merged
from gradclip_cli.naming import Place
from gradclip_cli.plan import StatsPlan
from gradclip_cli.report import StatsDump, StatsLayer, StatsParam, StatsReport
from gradclip_cli.samples import Row, Sample
from gradclip_cli.selection import Selection
from gradclip_cli.summary import summaries
from gradclip_cli.tensors import TensorSpec
from gradclip_cli.text import count, listed
from gradclip_cli.thresholds import RULES


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

    @classmethod
    def of(cls, dump: Dump) -> "Layout":
        """Take the layout from a dump."""
        named = dump.named
        firsts = [indices[0] for indices in named.values()]
        places = [dump.places[k] for k in firsts]
        sizes = Counter(place.layer for place in places)
        starts = np.cumsum([0, *sizes.values()]).tolist()
        shapes = [dump.shape(indices) for indices in named.values()]
        return cls([dump.tensors[k] for k in firsts], shapes, places, list(sizes), starts, dump.labels, dump.notes)

    def sample(self, dump: Dump, types: NormTypes) -> Sample:
        """Reduce a dump to its norms; raise InputError where its tensors are not those of the first."""
        of = {name: merged([dump.stats[index] for index in indices], types) for name, indices in dump.named.items()}
        names = [spec.name for spec in self.specs]
        if of.keys() != set(names):
            self._differs(dump, sorted(set(names) - of.keys()), sorted(of.keys() - set(names)))
        stats = [of[name] for name in names]
        layers = [merge(stats[a:b], types) for a, b in zip(self.starts, self.starts[1:], strict=False)]
        total = merge(stats, types)
        line = StatsDump(
            shards.shown(dump.path, dump.path),
            dump.step,
            _norm(total, types[0]),
            total.as_read(total.max_abs),
            total.nonfinite,
        )
        peaks = np.array([s.as_read(s.max_abs) for s in stats])
        return Sample(line, _norms(layers, types[0]), _norms(stats, types[0]), peaks)

    def _differs(self, dump: Dump, missing: list[str], extra: list[str]) -> None:
        parts = [f"lacks {listed(missing, 4)}"] if missing else []
        parts += [f"also has {listed(extra, 4)}"] if extra else []
        raise InputError(f"has other tensors than the first dump: it {' and '.join(parts)}", path=dump.path)


def collect(dumps: Iterator[Dump], selection: Selection, types: NormTypes) -> tuple[Layout, list[Sample]]:
    """Reduce dumps to their norms, one after the other; the first says which tensors the others must have."""
    first = next(dumps)
    check_taken([first], selection)
    layout = Layout.of(first)
    return layout, [layout.sample(dump, types) for dump in chain([first], dumps)]


def _norm(stats: Stats, p: float) -> float:
    return stats.as_read(norms.norm(stats.powers[0], p))


def _norms(parts: Iterable[Stats], p: float) -> Row:
    return np.array([_norm(stats, p) for stats in parts])


def report(plan: StatsPlan, layout: Layout, samples: Sequence[Sample]) -> StatsReport:
    """Summarise a series."""
    total = np.array([[sample.dump.norm] for sample in samples])
    layers = summaries(np.array([sample.layers for sample in samples]))
    params = summaries(np.array([sample.params for sample in samples]))
    found = {strategy.name: advice.compared(strategy, samples) for strategy in plan.strategies}
    rules = {str(rule): rule for rule in (*RULES, plan.rule)}.values()
    offers = [
        advice.offer(strategy, rule, found[strategy.name], plan.norm.epsilon)
        for strategy in plan.strategies
        for rule in rules
    ]
    chosen = [one for one in offers if one.rule == str(plan.rule)]
    return StatsReport(
        plan.norm.type,
        [sample.dump for sample in samples],
        summaries(total)[0],
        [StatsLayer(*row) for row in zip(layout.layers, layers, strict=True)],
        [
            StatsParam(spec.name, place.layer, place.param, shape, spec.dtype.name, summary)
            for spec, place, shape, summary in zip(layout.specs, layout.places, layout.shapes, params, strict=True)
        ],
        [advice.with_advice(one, found[one.strategy]) for one in chosen],
        [one for one in offers if any(one.rule == str(rule) for rule in RULES)],
        layout.labels,
        layout.notes,
    )


def in_order(samples: Sequence[Sample], skip: int) -> list[Sample]:
    """Put samples in the order of their steps and leave out the first `skip`; where any has no step, the order stays."""
    kept = list(samples)
    if any(sample.dump.step is None for sample in kept):
        kept = [sample._replace(dump=sample.dump._replace(step=None)) for sample in kept]
    else:
        kept.sort(key=lambda sample: sample.dump.step or 0)
    if skip >= len(kept):
        raise UsageError(f"--skip-steps {skip} leaves nothing of {count(len(kept), 'dump')}")
    return kept[skip:]
