"""Decide what to do to one group, once its threshold is known."""

import math
import sys
from typing import NamedTuple

import numpy as np

from gradclip_cli.commands.apply.groups import NormGroup
from gradclip_cli.commands.apply.plan import ApplyPlan
from gradclip_cli.engine.units import Units
from gradclip_cli.errors import InputError
from gradclip_cli.numerics.norms import stored_limit
from gradclip_cli.strategies import Group, Strategy
from gradclip_cli.strategies.actions import SKIPPED, UNCHANGED, Action, Clamp, ZeroNonfinite, action_for
from gradclip_cli.strategies.unit_actions import UnitRatios


class Decision(NamedTuple):
    """What is done to one group, and by which strategy and threshold."""

    strategy: Strategy
    threshold: float | None
    action: Action
    ratios: UnitRatios | None = None  # of the units of a tensor, for whose pieces `actions` are

    @property
    def skips(self) -> bool:
        """Whether the group is left out of this step."""
        return self.action is SKIPPED

    @property
    def scales(self) -> bool:
        """Whether all elements are multiplied by a factor that is not 1, and not left out."""
        return self.action.factor not in (1, None) and not self.skips

    @property
    def lowest(self) -> float | None:
        """The factor of the group, or of a tensor in units the lowest; None where elements have their own."""
        return self.action.factor if self.ratios is None else float(self.ratios.factors.min())

    def of_units(self, units: Units) -> dict[int, Action]:
        """Return the action on each piece of a tensor."""
        if self.ratios is None:
            return {}
        has_nan, zeroed = units.marks is not None, isinstance(self.action, ZeroNonfinite)
        own = {k: self.ratios.action(*place, has_nan=has_nan) for k, place in units.places.items()}
        return {k: ZeroNonfinite(one) if zeroed else one for k, one in own.items()}


def decide_group(plan: ApplyPlan, group: NormGroup, threshold: float | None) -> Decision:
    """Return what a strategy does at a threshold, and the policy for NaN and infinities; raise InputError for a norm above float64."""
    if group.units is None:
        return Decision(group.strategy, threshold, _action(plan, group, threshold))
    units, bases, held, _ = group.units
    if np.isinf(units.norms).any():
        raise too_large(group.strategy.group)
    norms, limit = units.as_read if plan.nonfinite == "propagate" else units.norms, threshold or math.inf
    with np.errstate(over="ignore"):  # no norm is above a limit that is
        limits = limit if bases is None or math.isinf(limit) else limit * bases
    ratios = UnitRatios.of(group.strategy, norms, limits, held)
    action: Action = ratios.action(*next(iter(units.places.values())), has_nan=units.marks is not None)
    zeroed = units.marks is not None and plan.nonfinite == "zero"
    return Decision(group.strategy, threshold, ZeroNonfinite(action) if zeroed else action, ratios)


def too_large(group: Group) -> InputError:
    """Return the error for a norm of a kind of group that float64 cannot hold."""
    what = f"the norm of {group.value} is above {sys.float_info.max:.2g}, the largest float64"
    return InputError(what)


def _action(plan: ApplyPlan, group: NormGroup, threshold: float | None) -> Action:
    norm = group.norm
    if math.isinf(norm):
        raise too_large(group.strategy.group)
    if group.action is not None and (group.finite or group.strategy.group is Group.ELEMENT):
        return group.action  # one of elements follows the policy for NaN itself
    limit = math.inf if threshold is None else threshold
    if group.strategy.group is Group.ELEMENT:
        limit = stored_limit(limit, group.scale)
    epsilon = plan.norm.epsilon if plan.norm and group.strategy.takes_norm else 0.0
    if group.finite:
        return action_for(group.strategy, norm, limit, epsilon)
    if plan.nonfinite == "zero":
        return ZeroNonfinite(action_for(group.strategy, norm, limit, epsilon))
    if plan.nonfinite == "skip":
        return Clamp(limit, keep_infinite=True) if group.strategy.group is Group.ELEMENT else UNCHANGED
    return action_for(group.strategy, group.as_read, limit, epsilon)
