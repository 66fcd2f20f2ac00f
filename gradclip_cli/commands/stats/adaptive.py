"""Replay an adaptive rule over a series: the threshold of each step, and what it would have clipped."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from gradclip_cli.commands.stats.ranges import step_ranges
from gradclip_cli.errors import InputError
from gradclip_cli.reports.stats_thresholds import Ranges, ReplayGroup, ReplayStep, Suggestion
from gradclip_cli.strategies import Group, Strategy
from gradclip_cli.text import plural, steps_text
from gradclip_cli.thresholds.adaptive import AdaptiveRule
from gradclip_cli.thresholds.base import MIN_STEPS, require
from gradclip_cli.thresholds.exact_sums import exact_sum
from gradclip_cli.thresholds.norm_table import NormTable, Step
from gradclip_cli.thresholds.replays import Replay, replay
from gradclip_cli.thresholds.rules import BAND
from gradclip_cli.thresholds.samples import Mask, Matrix
from gradclip_cli.thresholds.stable_spam import Elements

_LONGEST = 40
"""The most characters of a list of steps."""


def replay_of(rule: AdaptiveRule, table: NormTable, whole: NormTable, elements: Elements | None = None) -> Replay:
    """Replay a rule over the norms of a table; `whole` has those of whole dumps, `elements` are those of its groups.

    Each group has a history of its own, of the steps that have it.
    """
    names = list(map(str, table.groups)) if rule.joins else ()
    return replay(rule, table.norms, table.present, whole.norms[:, 0], names, elements)


class AdaptiveRun:
    """An adaptive rule replayed for one strategy: its norms and thresholds (inf where there is none), steps × groups."""

    def __init__(
        self,
        strategy: Strategy,
        rule: AdaptiveRule,
        table: NormTable,
        epsilon: float,
        whole: NormTable | None = None,
        elements: Elements | None = None,
    ) -> None:
        self._strategy, self._rule, self._table = strategy, rule, table
        self._replay = replay_of(rule, table, table if whole is None else whole, elements)
        self._thresholds = self._replay.thresholds
        self._epsilon = epsilon

    @cached_property
    def _factors(self) -> Matrix:
        """The factor of each norm; NaN where it is not finite."""
        numerators, denominators = self._replay.ratios(self._strategy, self._table.norms, self._epsilon)
        with np.errstate(all="ignore"):
            return np.where(self._table.finite, numerators / denominators, np.nan)

    @cached_property
    def _clipped(self) -> Mask:
        """Which norms are clipped; those of steps that are skipped are not."""
        if self._replay.limited is not None:
            return self._replay.limited.clipped & self._table.finite
        clipped: Mask = np.isfinite(self._factors) & (self._factors != 1) & ~self._replay.skipped
        return clipped

    def suggestion(self, steps: Sequence[Step]) -> Suggestion:
        """Report what the rule would have done and, where there is only one group, the threshold of the last step."""
        samples, name, rule = self._table.samples, self._strategy.name, str(self._rule)
        try:
            require(self._rule, samples, name)
        except InputError as error:
            return Suggestion(name, rule, 0, None, None, None, None, error.message)
        summary, last = samples.summary(), self._last(0)
        single = self._thresholds.shape[1] == 1
        single = single and not self._rule.skips  # what is skipped above a norm is not to be clipped at it
        threshold = float(self._thresholds[last, 0]) if single and np.isfinite(self._thresholds[last, 0]) else None
        band = None if threshold is None else (BAND[0] * summary.mean, BAND[1] * summary.mean)
        note = "; ".join(self._notes(steps))
        clipped = step_ranges(np.logical_or.reduce(self._clipped, axis=1), steps)
        figures = threshold, *_rate_and_mean(self._factors, self._clipped)
        return Suggestion(name, rule, summary.count, *figures, band, note, clipped, *self._skips(steps))

    def _skips(self, steps: Sequence[Step]) -> tuple[float | None, Ranges | None]:
        """Return the share of finite norms whose steps are skipped, and these steps; None where the rule skips none."""
        return skips(self._rule, self._replay.skipped, self._table.finite, steps)

    def steps(self, steps: Sequence[Step]) -> list[ReplayStep]:
        """Return a row for each step of the only group; nothing where there are several groups."""
        if self._strategy.group is not Group.DUMP:
            return []
        columns = (matrix[:, 0].tolist() for matrix in (self._table.norms, self._thresholds, self._factors))
        return [
            ReplayStep(self._strategy.name, step.input, step.number, norm, threshold, *self._done(k, factor))
            for k, (step, norm, threshold, factor) in enumerate(zip(steps, *columns, strict=True))
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
            ReplayGroup(self._strategy.name, *name, steps, *pair, *_rate_and_mean(*figures))
            for name, steps, pair, *figures in zip(
                self._table.groups, finite, last, self._factors.T, self._clipped.T, strict=True
            )
        ]

    def _done(self, row: int, factor: float) -> tuple[float | None, bool | None, bool | None]:
        """Return the factor of a step, whether it is clipped, and whether it is skipped."""
        if np.isnan(factor):
            return None, None, None
        skipped = bool(self._replay.skipped[row, 0])
        return factor, factor != 1 and not skipped, skipped if self._rule.skips else None

    def _last(self, k: int) -> int:
        """Return the last step that has group `k`."""
        return int(np.flatnonzero(self._table.present[:, k])[-1])

    def _notes(self, steps: Sequence[Step]) -> list[str]:
        notes = [self._of_skipped_steps(steps) if self._rule.skips else self._of_the_last_step()]
        if len(self._thresholds) < MIN_STEPS:
            notes.append(f"only {plural(len(self._thresholds), 'step')}")
        notes += [self._replay.left_text] if self._replay.left else []
        if self._rule.rereads:
            notes.append("what is left of a tensor is scaled to a norm near 1")
        if self._table.samples.nonfinite:
            notes.append(f"{plural(self._table.samples.nonfinite, 'NaN or infinite norm')} left out")
        return notes

    def _of_skipped_steps(self, steps: Sequence[Step]) -> str:
        """Say which steps are skipped, and of how many."""
        number, which = int(np.count_nonzero(self._replay.skipped)), self._skips(steps)[1]
        if not number and len(steps) <= self._rule.warm_up:
            return f"skips no step: none of the first {self._rule.warm_up} is judged"
        every = [step.number for step in steps if step.number is not None]
        named = f": {steps_text(which, every, _LONGEST)}" if which else ""
        return f"skips {number:,} of {plural(len(steps), 'step')}{named}"

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


def skips(rule: AdaptiveRule, skipped: Mask, finite: Mask, steps: Sequence[Step]) -> tuple[float | None, Ranges | None]:
    """Return the share of finite norms whose steps a rule skips, and these steps; None where it skips none by its kind."""
    if not rule.skips:
        return None, None
    rate = float(np.count_nonzero(skipped & finite) / np.count_nonzero(finite)) if finite.any() else None
    return rate, step_ranges(np.logical_or.reduce(skipped, axis=1), steps)


def _rate_and_mean(factors: Matrix, clipped: Mask) -> tuple[float | None, float | None]:
    """Return the clip rate and the mean factor of the finite norms; None where there are none."""
    finite = factors[np.isfinite(factors)]
    if not finite.size:
        return None, None
    return float(np.count_nonzero(clipped) / finite.size), exact_sum(finite) / finite.size
