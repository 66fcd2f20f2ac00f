"""Norms over the dumps of a series, and the thresholds that they suggest."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli import norms, shards
from gradclip_cli.checks import check_taken
from gradclip_cli.dumps import Dump
from gradclip_cli.errors import InputError, UsageError
from gradclip_cli.measure import NormTypes, Stats, merge
from gradclip_cli.naming import Place
from gradclip_cli.plan import StatsPlan
from gradclip_cli.report import Candidate, StatsDump, StatsLayer, StatsParam, StatsReport, Suggestion
from gradclip_cli.selection import Selection
from gradclip_cli.strategies import Group, Strategy
from gradclip_cli.summary import Samples, Summary, summaries
from gradclip_cli.tensors import TensorSpec
from gradclip_cli.text import count, listed
from gradclip_cli.thresholds import BAND, ROBUST, RULES, Rule, choose

Row = NDArray[np.float64]
FEW = 10
"""With fewer samples than that a suggestion says so."""


class Sample(NamedTuple):
    """The norms of one dump, one number for each layer and tensor; this is all that is kept of it."""

    dump: StatsDump
    layers: Row
    params: Row
    peaks: Row  # the largest |g| of each tensor


@dataclass(frozen=True)
class Layout:
    """What all dumps of a series have in common: their tensors, in the order of the first dump's layers."""

    specs: list[TensorSpec]
    places: list[Place]
    layers: list[str]
    starts: list[int]  # where the tensors of each layer begin; one more at the end
    labels: dict[str, str]
    notes: list[str]

    @classmethod
    def of(cls, dump: Dump) -> "Layout":
        """Take the layout from a dump."""
        layers = dump.layers
        order = [index for indices in layers.values() for index in indices]
        starts = np.cumsum([0, *(len(indices) for indices in layers.values())]).tolist()
        return cls(
            [dump.tensors[k] for k in order],
            [dump.places[k] for k in order],
            list(layers),
            starts,
            dump.labels,
            dump.notes,
        )

    def sample(self, dump: Dump, types: NormTypes) -> Sample:
        """Reduce a dump to its norms; raise InputError where its tensors are not those of the first."""
        of = {dump.tensors[index].name: stats for index, stats in dump.stats.items()}
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
    found = {strategy.name: compared(strategy, samples) for strategy in plan.strategies}
    rules = {str(rule): rule for rule in (*RULES, plan.rule)}.values()
    offers = [
        offer(strategy, rule, found[strategy.name], plan.norm.epsilon) for strategy in plan.strategies for rule in rules
    ]
    chosen = [one for one in offers if one.rule == str(plan.rule)]
    return StatsReport(
        plan.norm.type,
        [sample.dump for sample in samples],
        summaries(total)[0],
        [StatsLayer(*row) for row in zip(layout.layers, layers, strict=True)],
        [
            StatsParam(spec.name, place.layer, place.param, spec.shape, spec.dtype.name, summary)
            for spec, place, summary in zip(layout.specs, layout.places, params, strict=True)
        ],
        [_with_advice(one, found[one.strategy]) for one in chosen],
        [one for one in offers if any(one.rule == str(rule) for rule in RULES)],
        layout.labels,
        layout.notes,
    )


def compared(strategy: Strategy, samples: Sequence[Sample]) -> Samples:
    """The samples that a strategy compares with its threshold."""
    if strategy.group is Group.DUMP:
        return Samples(sample.dump.norm for sample in samples)
    rows = {Group.LAYER: "layers", Group.TENSOR: "params", Group.ELEMENT: "peaks"}
    matrix = np.array([getattr(sample, rows[strategy.group]) for sample in samples])
    return Samples(matrix, max(1, matrix.shape[1]))


def offer(strategy: Strategy, rule: Rule, samples: Samples, epsilon: float) -> Candidate:
    """Say what a rule would choose for a strategy, and what that would do."""
    epsilon = epsilon if strategy.takes_norm else 0.0
    try:
        threshold = choose(rule, samples, strategy.name)
    except InputError as error:
        return Candidate(strategy.name, str(rule), None, None, None, None, None, error.message)
    return Candidate(
        strategy.name,
        str(rule),
        threshold,
        samples.clip_rate(threshold, epsilon),
        samples.mean_factor(threshold, epsilon),
        samples.energy_lost(threshold),
        samples.longest_run(threshold, epsilon),
        None,
    )


def suggest(strategy: Strategy, rule: Rule, samples: Samples, epsilon: float) -> Suggestion:
    """Choose a threshold for one strategy, and say what a person should know of it."""
    return _with_advice(offer(strategy, rule, samples, epsilon), samples)


def _with_advice(one: Candidate, samples: Samples) -> Suggestion:
    """Add to what was chosen how many samples there were, the band, and what a person should know."""
    summary = samples.summary()
    band = None if one.threshold is None else (BAND[0] * summary.mean, BAND[1] * summary.mean)
    note = one.reason if one.threshold is None else _note(one, samples, summary)
    return Suggestion(one.strategy, one.rule, summary.count, one.threshold, one.clip_rate, one.mean_factor, band, note)


def _note(one: Candidate, samples: Samples, summary: Summary) -> str | None:
    notes = []
    if summary.count < FEW:
        lone = ", so nothing of it would be clipped" if one.clip_rate == 0 and summary.count == 1 else ""
        notes.append(f"only {count(summary.count, 'sample')}{lone}")
    if (one.clip_rate or 0) > 0.5:
        notes.append("clips more than half of the samples: lower the learning rate rather than the threshold")
    if summary.mean > 3 * summary.median:
        robust = (
            f"{ROBUST} would be {choose(ROBUST, samples, one.strategy):.4g}" if summary.median else "the median is 0"
        )
        notes.append(f"the mean is led by a few large norms; {robust}")
    if summary.nonfinite:
        notes.append(f"{count(summary.nonfinite, 'NaN or infinite norm')} left out")
    return "; ".join(notes) or None


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
