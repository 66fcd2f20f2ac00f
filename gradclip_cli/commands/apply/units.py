"""The units of one tensor as a group: their norms, and what the threshold of each is a multiple of."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.commands.apply.plan import ApplyPlan
from gradclip_cli.engine.survey import MeasuredDump
from gradclip_cli.engine.units import Units, units_of
from gradclip_cli.engine.weights import Beside
from gradclip_cli.errors import NonFiniteError
from gradclip_cli.strategies import Strategy

Norms = NDArray[np.float64]


class GroupUnits(NamedTuple):
    """The units of a tensor; `bases` is what the threshold of each is a multiple of, and `held` those that stay as they are.

    `unknown` are those whose weights are not finite.
    """

    units: Units
    bases: Norms | None = None
    held: NDArray[np.bool_] | None = None
    unknown: NDArray[np.bool_] | None = None

    def compared(self, *, finite: bool) -> Norms:
        """Return what a rule takes: the norms, of finite elements or as read, over what their thresholds are multiples of.

        As read, what is over a weight that is not finite is NaN.
        """
        norms = self.units.norms if finite else self.units.as_read
        if self.bases is None:
            return norms
        with np.errstate(divide="ignore", invalid="ignore"):
            found = np.where(norms == 0, 0.0, norms / self.bases)
        return found if finite or self.unknown is None else np.where(self.unknown, np.nan, found)


def group_units(
    strategy: Strategy, dump: MeasuredDump, members: Sequence[int], plan: ApplyPlan, beside: Beside | None
) -> GroupUnits | None:
    """Return the units of a tensor, given the indices of its pieces; None where it lacks a weight that its strategy takes.

    Raises InputError where that is not allowed, or where the weight does not fit; NonFiniteError where it is not finite and the
    plan refuses that.
    """
    units = units_of(dump, members, plan.norm_types)
    held = units.marks > 0 if units.marks is not None and plan.nonfinite == "skip" else None
    if not strategy.takes_weights or beside is None:
        return GroupUnits(units, None, held)
    pair = beside.units(dump.name_of(members[0]), units)
    if pair is None:
        return None
    weight, own = pair
    unknown = own.marks > 0 if own.marks is not None else None
    if unknown is not None and plan.nonfinite == "error":
        what = "holds NaN or infinities among weights; choose what to do with --nonfinite zero, skip or propagate"
        raise NonFiniteError(what, path=beside.path, tensor=weight.name)
    if unknown is not None and plan.nonfinite == "skip":
        held = unknown if held is None else held | unknown
    norms = own.as_read if plan.nonfinite == "propagate" else own.norms
    return GroupUnits(units, np.maximum(norms, plan.min_weight_norm), held, unknown)


WITHOUT = "left unchanged"
"""What is done to gradients without a weight."""

BROKEN = {
    "zero": "of which only finite elements count",
    "skip": "so their units are left as they are",
    "propagate": "so NaN makes a unit NaN, and an infinity leaves it as it is",
}
"""What is done to gradients whose weights are not finite, by policy."""
