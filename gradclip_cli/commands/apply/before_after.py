"""Compare groups of tensors before and after, all groups at once in arrays."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.commands.apply.group_decision import Decision
from gradclip_cli.commands.apply.groups import group_norms
from gradclip_cli.commands.apply.plan import ApplyPlan
from gradclip_cli.lazy_rows import each
from gradclip_cli.numerics.statistics_table import StatsTable

Counts = NDArray[np.int64]
Norms = NDArray[np.float64]


class BeforeAfter(NamedTuple):
    """Groups (indices into a dump), and columns with one figure for each: counts before, norms and largest |g| before and after.

    `finite_before` is the norm of the finite elements, `norm_before` that of all.
    `underflowed` counts the elements that were rounded to zero, `overflowed` those that were rounded to infinity.
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
    overflowed: Counts
    finite_before: Norms

    @classmethod
    def of(
        cls,
        groups: Sequence[Sequence[int]],
        decisions: Sequence[Decision],
        before: StatsTable,
        after: StatsTable,
        plan: ApplyPlan,
    ) -> "BeforeAfter":
        """Compare the statistics of tensors before and after; `decisions` holds one for each group."""
        types = plan.norm_types
        old, new = (stats.merge_groups(groups, types) for stats in (before, after))
        strategies = each(decisions, lambda one: one.strategy)
        finite, finite_after = (group_norms(stats, strategies, types) for stats in (old, new))
        norm, norm_after = old.as_read(finite), new.as_read(finite_after)
        peak, peak_after = (stats.as_read(stats.max_abs) for stats in (old, new))
        # Elements that the policy for NaN, or a factor of 0 or NaN, made zero were not rounded.
        rounded = np.array(each(decisions, lambda one: one.action.factor is None or one.action.factor > 0), np.bool_)
        lost = new.zeros - old.zeros - (old.nonfinite if plan.nonfinite == "zero" else 0)
        underflowed = np.where(rounded, np.maximum(lost, 0), 0)
        overflowed = np.maximum(new.infinite - (0 if plan.nonfinite == "zero" else old.infinite), 0)
        counts = old.elements, old.zeros, old.nonfinite
        return cls(groups, *counts, norm, norm_after, peak, peak_after, underflowed, overflowed, finite)
