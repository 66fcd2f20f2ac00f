"""What a strategy does: the change to the elements of one group, and the factors of many groups at once."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from gradclip_cli.numerics.dtypes import DType, Raw
from gradclip_cli.numerics.transforms import clamp, scale, zero_nonfinite
from gradclip_cli.numerics.workspace import Workspace
from gradclip_cli.strategies.base import Group, Strategy

if TYPE_CHECKING:
    from gradclip_cli.strategies.base import Floats, Number


class Action(Protocol):
    """A change to stored elements; `factor` is what they are multiplied by, None where that differs between elements."""

    @property
    def factor(self) -> float | None:
        """What the elements are multiplied by."""

    def changes(self, max_abs: float, nan: int, infinite: int) -> bool:
        """Whether a tensor would change at all, by its largest finite |x| and how many are not finite; if not, it is copied."""

    def apply(self, raw: Raw, dtype: DType, work: Workspace) -> int:
        """Change the elements of a piece in place; return how many were clipped one by one."""


@dataclass(slots=True)
class Scale:
    """Multiply by `numerator / denominator`, as one float64 number."""

    numerator: float = 1.0
    denominator: float = 1.0

    @property
    def factor(self) -> float:
        """The quotient, in IEEE arithmetic."""
        if self.denominator == 0:
            return math.nan if not self.numerator else math.inf
        return self.numerator / self.denominator

    def changes(self, max_abs: float, nan: int, infinite: int) -> bool:
        """Whether the factor is not 1; zeros stay zeros unless it is not finite."""
        return self.factor != 1 and (max_abs > 0 or nan > 0 or infinite > 0 or not math.isfinite(self.factor))

    def apply(self, raw: Raw, dtype: DType, work: Workspace) -> int:
        """Multiply; where the factor is not a normal number, divide and multiply apart so that no digit is lost."""
        scale(raw, dtype, self.factor, self.numerator, self.denominator, work)
        return 0


class Clamp(NamedTuple):
    """Limit every element to [-limit, limit]; NaN stays, and so do infinities where `keep_infinite` says so."""

    limit: float
    keep_infinite: bool = False
    factor: None = None

    def changes(self, max_abs: float, nan: int, infinite: int) -> bool:
        """Whether any element is above the limit."""
        return math.isfinite(self.limit) and (max_abs > self.limit or (infinite > 0 and not self.keep_infinite))

    def apply(self, raw: Raw, dtype: DType, work: Workspace) -> int:
        """Replace what is above the limit by the limit, rounded to the dtype."""
        return clamp(raw, dtype, self.limit, self.keep_infinite, work)


class ZeroNonfinite(NamedTuple):
    """Replace NaN and infinities by zero, then do `action`."""

    action: Action

    @property
    def factor(self) -> float | None:
        """The factor of the action itself."""
        return self.action.factor

    def changes(self, max_abs: float, nan: int, infinite: int) -> bool:
        """Whether there is anything to replace, or the action changes anything."""
        return nan > 0 or infinite > 0 or self.action.changes(max_abs, nan, infinite)

    def apply(self, raw: Raw, dtype: DType, work: Workspace) -> int:
        """Replace, then act."""
        zero_nonfinite(raw, dtype, work)
        return self.action.apply(raw, dtype, work)


UNCHANGED = Scale()
"""Leave the elements as they are, bit by bit."""


def action_for(strategy: Strategy, norm: float, threshold: float, epsilon: float) -> Action:
    """Return the action on a group of this norm; `threshold` is inf where the strategy takes none."""
    if strategy.group is Group.ELEMENT:
        return Clamp(threshold)
    numerator, denominator = strategy.ratio(norm, threshold, epsilon)
    return UNCHANGED if strategy.keeps(denominator, threshold) else Scale(numerator, denominator)  # type: ignore[arg-type]  # of numbers


def group_ratios(strategy: Strategy, norms: "Floats", threshold: "Number", epsilon: float) -> "tuple[Floats, Floats]":
    """Return the numerators and the denominators of the factors of many groups; both are 1 of a group that stays as it is."""
    numerators, denominators = strategy.ratio(norms, threshold, epsilon)
    kept = strategy.keeps(denominators, threshold)
    return (
        np.broadcast_to(np.where(kept, 1.0, numerators), norms.shape),
        np.broadcast_to(np.where(kept, 1.0, denominators), norms.shape),
    )


def group_factors(strategy: Strategy, norms: "Floats", threshold: "Number", epsilon: float) -> "Floats":
    """Return what many groups are multiplied by: the same bits as the factors of `action_for`, of elements that of the largest."""
    numerators, denominators = group_ratios(strategy, norms, threshold, epsilon)
    with np.errstate(all="ignore"):
        return numerators / denominators
