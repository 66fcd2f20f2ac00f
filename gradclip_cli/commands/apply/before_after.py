"""Groups of tensors, before and after: their figures, all at once."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.commands.apply.groups import Decision, norms_of
from gradclip_cli.commands.apply.plan import ApplyPlan
from gradclip_cli.numerics.statistics_table import StatsTable

Counts = NDArray[np.int64]
Norms = NDArray[np.float64]


class Figures(NamedTuple):
    """Groups (indices into a dump) and a number for each: counts of elements before, and norms and largest |g| of both.

    `underflowed` counts the elements that were rounded to zero.
    """

    groups: Sequence[Sequence[int]]
    elements: Counts
    zeros: Counts
    nonfinite: Counts
    norm_before: Norms
    norm_after: Norms
    peak_before: Norms
    peak_after: Norms
    underflowed: Counts

    @classmethod
    def of(
        cls,
        groups: Sequence[Sequence[int]],
        decisions: Sequence[Decision],
        before: StatsTable,
        after: StatsTable,
        plan: ApplyPlan,
    ) -> "Figures":
        """Compare what tensors were with what they are; `decisions` are those of the groups."""
        types = plan.norm_types
        old, new = (stats.merge_groups(groups, types) for stats in (before, after))
        strategies = [decision.strategy for decision in decisions]
        norm, norm_after = (stats.as_read(norms_of(stats, strategies, types)) for stats in (old, new))
        peak, peak_after = (stats.as_read(stats.max_abs) for stats in (old, new))
        # What the policy or a factor of 0 or NaN made zero was not rounded.
        rounded = [(factor := one.action.factor) is None or factor > 0 for one in decisions]
        lost = new.zeros - old.zeros - (old.nonfinite if plan.nonfinite == "zero" else 0)
        underflowed = np.where(rounded, np.maximum(lost, 0), 0)
        counts = old.elements, old.zeros, old.nonfinite
        return cls(groups, *counts, norm, norm_after, peak, peak_after, underflowed)
