"""What a replay would have done to a series: the threshold of every step, and what it would have clipped."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.choosing.advice import FEW
from gradclip_cli.errors import InputError
from gradclip_cli.report import ReplayGroup, ReplayStep, StatsDump, Suggestion
from gradclip_cli.strategies import Group, Strategy
from gradclip_cli.text import count
from gradclip_cli.thresholds import BAND, Replay, require
from gradclip_cli.thresholds.exact_sums import exact_sum
from gradclip_cli.thresholds.replays import limit
from gradclip_cli.thresholds.summary import Samples

Matrix = NDArray[np.float64]
"""steps × groups"""


def replayed(rule: Replay, norms: Matrix) -> Matrix:
    """Return the threshold of every step of every group, each of which has a history of its own; inf where there is none."""
    columns = []
    for column in norms.T.tolist():
        history = rule.begin()
        columns.append([limit(history.step(norm)) for norm in column])
    return np.array(columns).T.reshape(norms.shape)


class Schedule(NamedTuple):
    """The norms that one strategy compares, and with what: inf where a step has no threshold."""

    strategy: Strategy
    rule: Replay
    samples: Samples
    thresholds: Matrix
    factors: Matrix  # NaN where the norm is not finite

    @classmethod
    def of(cls, strategy: Strategy, rule: Replay, samples: Samples, epsilon: float) -> "Schedule":
        """Replay a rule over the samples of a strategy."""
        thresholds = replayed(rule, samples.steps)
        lengths = samples.steps + (epsilon if strategy.takes_norm else 0.0)
        above = lengths > thresholds
        factors = np.divide(thresholds, lengths, out=np.ones_like(lengths), where=above & np.isfinite(lengths))
        return cls(strategy, rule, samples, thresholds, np.where(np.isfinite(samples.steps), factors, np.nan))

    def suggestion(self) -> Suggestion:
        """Say what the rule would have done, and with one group only which threshold the last step has."""
        summary, name, rule = self.samples.summary(), self.strategy.name, str(self.rule)
        try:
            require(self.rule, self.samples, name)
        except InputError as error:
            return Suggestion(name, rule, 0, None, None, None, None, error.message)
        last = self.thresholds[-1]
        threshold = float(last[0]) if len(last) == 1 and np.isfinite(last[0]) else None
        band = None if threshold is None else (BAND[0] * summary.mean, BAND[1] * summary.mean)
        return Suggestion(name, rule, summary.count, threshold, *_effect(self.factors), band, "; ".join(self._notes()))

    def steps(self, dumps: Sequence[StatsDump]) -> list[ReplayStep]:
        """Say step by step what became of the only group; of several groups there is too much to say."""
        if self.strategy.group is not Group.DUMP:
            return []
        rows = zip(dumps, self.thresholds[:, 0].tolist(), self.factors[:, 0].tolist(), strict=True)
        return [
            ReplayStep(self.strategy.name, dump.input, dump.step, dump.norm, threshold, *_clipped(factor))
            for dump, threshold, factor in rows
        ]

    def groups(self, places: Sequence[tuple[str, str | None]]) -> list[ReplayGroup]:
        """Say of every layer or tensor what the last step has, and what became of all of its steps."""
        if self.strategy.group is Group.DUMP or not places:
            return []
        finite = np.isfinite(self.factors).sum(axis=0).tolist()
        last = zip(self.samples.steps[-1].tolist(), self.thresholds[-1].tolist(), strict=True)
        return [
            ReplayGroup(self.strategy.name, *place, steps, *pair, *_effect(factors))
            for place, steps, pair, factors in zip(places, finite, last, self.factors.T, strict=True)
        ]

    def _notes(self) -> list[str]:
        notes = [self._last()]
        if len(self.thresholds) < FEW:
            notes.append(f"only {count(len(self.thresholds), 'step')}")
        if self.samples.nonfinite:
            notes.append(f"{count(self.samples.nonfinite, 'NaN or infinite norm')} left out")
        return notes

    def _last(self) -> str:
        """What a person should know of the threshold that is given, or why there is none."""
        steps = int(np.isfinite(self.samples.steps).sum(axis=0).max())
        if np.isinf(self.thresholds).all() and steps <= self.rule.warm_up:
            return f"no threshold yet: nothing is clipped in the warm-up of {count(self.rule.warm_up, 'step')}"
        if self.thresholds.shape[1] > 1:
            return "no single threshold: each group has its own at each step"
        if np.isinf(self.thresholds[-1, 0]):
            return "no threshold in the last step: it would be 0"
        return "the threshold is that of the last step; each has its own"


def _clipped(factor: float) -> tuple[float | None, bool | None]:
    return (None, None) if np.isnan(factor) else (factor, factor != 1)


def _effect(factors: Matrix) -> tuple[float | None, float | None]:
    """Clip rate and mean factor of the norms that are finite."""
    finite = factors[np.isfinite(factors)]
    if not finite.size:
        return None, None
    return np.count_nonzero(finite != 1) / finite.size, exact_sum(finite) / finite.size
