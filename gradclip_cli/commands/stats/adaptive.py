"""Replay an adaptive rule over a series: the threshold of each step, and what it would have clipped."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from gradclip_cli.commands.stats.ranges import step_ranges
from gradclip_cli.errors import InputError
from gradclip_cli.reports.stats_thresholds import ReplayGroup, ReplayStep, Suggestion
from gradclip_cli.strategies import Group, Strategy
from gradclip_cli.strategies.actions import group_factors
from gradclip_cli.text import plural
from gradclip_cli.thresholds.adaptive import AdaptiveRule, replay
from gradclip_cli.thresholds.base import MIN_STEPS, require
from gradclip_cli.thresholds.exact_sums import exact_sum
from gradclip_cli.thresholds.norm_table import NormTable, Step
from gradclip_cli.thresholds.rules import BAND
from gradclip_cli.thresholds.samples import Matrix


def thresholds(rule: AdaptiveRule, table: NormTable) -> Matrix:
    """Return the thresholds of a rule, steps × groups; inf where there is none.

    Each group has a history of its own, of the steps that have it.
    """
    found = np.full(table.norms.shape, np.inf)
    for column, norms, present in zip(found.T, table.norms.T, table.present.T, strict=True):
        column[present] = replay(rule, norms[present].tolist())
    return np.where(found > 0, found, np.inf)


class AdaptiveRun:
    """An adaptive rule replayed for one strategy: its norms and thresholds (inf where there is none), steps × groups."""

    def __init__(self, strategy: Strategy, rule: AdaptiveRule, table: NormTable, epsilon: float) -> None:
        self._strategy, self._rule, self._table = strategy, rule, table
        self._thresholds = thresholds(rule, table)
        self._epsilon = epsilon

    @cached_property
    def _factors(self) -> Matrix:
        """The factor of each norm; NaN where it is not finite."""
        factors = group_factors(self._strategy, self._table.norms, self._thresholds, self._epsilon)
        return np.where(self._table.finite, factors, np.nan)

    def suggestion(self, steps: Sequence[Step]) -> Suggestion:
        """Report what the rule would have done and, where there is only one group, the threshold of the last step."""
        samples, name, rule = self._table.samples, self._strategy.name, str(self._rule)
        try:
            require(self._rule, samples, name)
        except InputError as error:
            return Suggestion(name, rule, 0, None, None, None, None, error.message)
        summary, last = samples.summary(), self._last(0)
        single = self._thresholds.shape[1] == 1
        threshold = float(self._thresholds[last, 0]) if single and np.isfinite(self._thresholds[last, 0]) else None
        band = None if threshold is None else (BAND[0] * summary.mean, BAND[1] * summary.mean)
        note = "; ".join(self._notes())
        clipped = np.logical_or.reduce(np.isfinite(self._factors) & (self._factors != 1), axis=1)
        figures = threshold, *_rate_and_mean(self._factors)
        return Suggestion(name, rule, summary.count, *figures, band, note, step_ranges(clipped, steps))

    def steps(self, steps: Sequence[Step]) -> list[ReplayStep]:
        """Return a row for each step of the only group; nothing where there are several groups."""
        if self._strategy.group is not Group.DUMP:
            return []
        columns = (matrix[:, 0].tolist() for matrix in (self._table.norms, self._thresholds, self._factors))
        return [
            ReplayStep(self._strategy.name, step.input, step.number, norm, threshold, *_clipped(factor))
            for step, norm, threshold, factor in zip(steps, *columns, strict=True)
        ]

    def groups(self) -> list[ReplayGroup]:
        """Return a row for each layer or tensor: its last norm and threshold, and its clip rate over all steps."""
        if self._strategy.group is Group.DUMP or not self._table.groups:
            return []
        finite = self._table.finite.sum(axis=0).tolist()
        last = [
            (float(self._table.norms[row, k]), float(self._thresholds[row, k]))
            for k, row in enumerate(map(self._last, range(len(finite))))
        ]
        return [
            ReplayGroup(self._strategy.name, *name, steps, *pair, *_rate_and_mean(factors))
            for name, steps, pair, factors in zip(self._table.groups, finite, last, self._factors.T, strict=True)
        ]

    def _last(self, k: int) -> int:
        """Return the last step that has group `k`."""
        return int(np.flatnonzero(self._table.present[:, k])[-1])

    def _notes(self) -> list[str]:
        notes = [self._of_the_last_step()]
        if len(self._thresholds) < MIN_STEPS:
            notes.append(f"only {plural(len(self._thresholds), 'step')}")
        if self._table.samples.nonfinite:
            notes.append(f"{plural(self._table.samples.nonfinite, 'NaN or infinite norm')} left out")
        return notes

    def _of_the_last_step(self) -> str:
        """Explain the threshold of the last step, or why there is none."""
        steps = int(self._table.finite.sum(axis=0).max())
        if np.isinf(self._thresholds).all() and steps <= self._rule.warm_up:
            return f"no threshold yet: nothing is clipped in the warm-up of {plural(self._rule.warm_up, 'step')}"
        if self._thresholds.shape[1] > 1:
            return "no single threshold: each group has its own at each step"
        if np.isinf(self._thresholds[self._last(0), 0]):
            return "no threshold in the last step: it would be 0"
        return "the threshold is that of the last step; each has its own"


def _clipped(factor: float) -> tuple[float | None, bool | None]:
    return (None, None) if np.isnan(factor) else (factor, factor != 1)


def _rate_and_mean(factors: Matrix) -> tuple[float | None, float | None]:
    """Return the clip rate and the mean factor of the finite norms; None where there are none."""
    finite = factors[np.isfinite(factors)]
    if not finite.size:
        return None, None
    return np.count_nonzero(finite != 1) / finite.size, exact_sum(finite) / finite.size
