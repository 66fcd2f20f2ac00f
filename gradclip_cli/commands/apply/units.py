"""The units of one tensor as a group: their norms, and what the threshold of each is a multiple of."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.commands.apply.plan import ApplyPlan
from gradclip_cli.engine.survey import MeasuredDump
from gradclip_cli.engine.units import Units, units_of
from gradclip_cli.engine.weights import Weight, WeightDump
from gradclip_cli.errors import InputError, NonFiniteError
from gradclip_cli.strategies import Strategy

Norms = NDArray[np.float64]


class GroupUnits(NamedTuple):
    """The units of a tensor; `bases` is what the threshold of each is a multiple of, and `held` those that stay as they are."""

    units: Units
    bases: Norms | None = None
    held: NDArray[np.bool_] | None = None

    def compared(self, *, finite: bool) -> Norms:
        """Return what a rule takes: the norms, of finite elements or as read, over what their thresholds are multiples of."""
        norms = self.units.norms if finite else self.units.as_read
        if self.bases is None:
            return norms
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(norms == 0, 0.0, norms / self.bases)


class Beside(NamedTuple):
    """The weights beside a dump: where they are, and that of each tensor by its name in the series."""

    dump: WeightDump
    of: Mapping[str, Weight | None]

    @classmethod
    def pair(cls, dump: MeasuredDump, found: WeightDump) -> "Beside":
        """Pair the tensors of a dump with weights."""
        return cls(found, dict(zip(dump.named, found.paired(list(dump.named)), strict=True)))


def group_units(
    strategy: Strategy, dump: MeasuredDump, members: Sequence[int], plan: ApplyPlan, beside: Beside | None
) -> GroupUnits:
    """Return the units of a tensor, given the indices of its pieces.

    Raises InputError where a strategy takes weights and there is none, or one that does not fit; NonFiniteError where one is not
    finite and the plan refuses that.
    """
    units = units_of(dump, members, plan.norm_types)
    held = units.marks > 0 if units.marks is not None and plan.nonfinite == "skip" else None
    if not strategy.takes_weights or beside is None:
        return GroupUnits(units, None, held)
    name, path = dump.name_of(members[0]), dump.file_of(members[0]).path
    weight = beside.dump.required(beside.of.get(name), name, dump.shape(members), path)
    own = weight.units
    if own is None or not own.matches(units):
        what = f"its units do not match those of its weight in {beside.dump.path}; give --unit-axis first or last"
        raise InputError(what, path=path, tensor=name)
    if own.marks is not None and plan.nonfinite == "error":
        what = "holds NaN or infinities among weights; choose what to do with --nonfinite zero, skip or propagate"
        raise NonFiniteError(what, path=beside.dump.path, tensor=weight.name)
    if own.marks is not None and plan.nonfinite == "skip":
        held = own.marks > 0 if held is None else held | (own.marks > 0)
    norms = own.as_read if plan.nonfinite == "propagate" else own.norms
    return GroupUnits(units, np.maximum(norms, plan.min_weight_norm), held)
