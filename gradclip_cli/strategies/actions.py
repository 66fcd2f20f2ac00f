"""Carry out strategies: change the elements of one group, or compute the factors of many groups at once."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from gradclip_cli.numerics.dtypes import DType, Raw
from gradclip_cli.numerics.transforms import clamp, scale, scale_apart, zero_nonfinite
from gradclip_cli.numerics.workspace import Workspace
from gradclip_cli.strategies.base import Group, Strategy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gradclip_cli.strategies.base import Floats, Number

    Count = int | NDArray[np.int64]
    Whether = bool | NDArray[np.bool_]


class Action(Protocol):
    """A change to stored elements."""

    @property
    def factor(self) -> float | None:
        """The factor for all elements; None if it differs between elements."""

    def changes(self, max_abs: "Number", nan: "Count", infinite: "Count") -> "Whether":
        """Whether the action changes a tensor with this largest finite |x| and these counts; if not, the tensor is copied.

        Of arrays of these, an array of the same shape.
        """

    def apply(self, raw: Raw, dtype: DType, work: Workspace) -> int:
        """Change the elements of a piece in place; return how many were clipped, if the factor differs between elements."""

    def at(self, start: int) -> "Action":
        """Return the action on a piece that begins at element `start` of its tensor."""


@dataclass(slots=True)
class Scale:
    """Multiplies elements by `numerator / denominator`, rounded to one float64 number."""

    numerator: float = 1.0
    denominator: float = 1.0

    @property
    def factor(self) -> float:
        """The quotient in IEEE arithmetic: a division by 0 gives inf or NaN."""
        if self.denominator == 0:
            return math.nan if not self.numerator else math.inf
        return self.numerator / self.denominator

    def changes(self, max_abs: "Number", nan: "Count", infinite: "Count") -> "Whether":
        """Whether the factor is not 1 and any element is not 0; a factor that is not finite changes zeros, too."""
        return (self.factor != 1) & ((max_abs > 0) | (nan > 0) | (infinite > 0) | (not math.isfinite(self.factor)))

    def apply(self, raw: Raw, dtype: DType, work: Workspace) -> int:
        """Multiply; if the factor is not a normal number, divide and multiply separately so that no digits are lost."""
        scale(raw, dtype, self.factor, self.numerator, self.denominator, work)
        return 0

    def at(self, start: int) -> "Action":
        """Return itself: all elements are changed alike."""
        return self


class Clamp(NamedTuple):
    """Limits every element to [-limit, limit]; NaN stays, and infinities stay if `keep_infinite` is true."""

    limit: float
    keep_infinite: bool = False
    factor: None = None

    def changes(self, max_abs: "Number", nan: "Count", infinite: "Count") -> "Whether":
        """Whether any |x| is above the limit."""
        return math.isfinite(self.limit) & ((max_abs > self.limit) | ((infinite > 0) & (not self.keep_infinite)))

    def apply(self, raw: Raw, dtype: DType, work: Workspace) -> int:
        """Replace elements beyond the limit by the limit, rounded to the dtype."""
        return clamp(raw, dtype, self.limit, self.keep_infinite, work)

    def at(self, start: int) -> "Action":
        """Return itself: all elements are changed alike."""
        return self


class ScaleApart(NamedTuple):
    """Multiplies elements up to a limit by one factor, and those beyond it by another."""

    limit: float
    within: Scale
    beyond: Scale
    factor: None = None

    def changes(self, max_abs: "Number", nan: "Count", infinite: "Count") -> "Whether":
        """Whether any |x| is beyond the limit, or the others change."""
        return (max_abs > self.limit) | self.within.changes(max_abs, nan, infinite)

    def apply(self, raw: Raw, dtype: DType, work: Workspace) -> int:
        """Multiply; return how many elements are beyond the limit."""
        if math.isinf(self.limit):
            return self.within.apply(raw, dtype, work)
        within, beyond = ((one.numerator, one.denominator) for one in (self.within, self.beyond))
        return scale_apart(raw, dtype, self.limit, within, beyond, work)

    def at(self, start: int) -> "ScaleApart":
        """Return itself: where an element is does not matter."""
        return self


class ZeroNonfinite(NamedTuple):
    """Replaces NaN and infinities by zero, then applies `action`."""

    action: Action

    @property
    def factor(self) -> float | None:
        """The factor of the inner action."""
        return self.action.factor

    def changes(self, max_abs: "Number", nan: "Count", infinite: "Count") -> "Whether":
        """Whether there is anything to replace, or the inner action changes the tensor."""
        return (nan > 0) | (infinite > 0) | self.action.changes(max_abs, nan, infinite)

    def apply(self, raw: Raw, dtype: DType, work: Workspace) -> int:
        """Replace, then apply the inner action."""
        zero_nonfinite(raw, dtype, work)
        return self.action.apply(raw, dtype, work)

    def at(self, start: int) -> "Action":
        """Return the same for the inner action on that piece."""
        return ZeroNonfinite(self.action.at(start))


class Skip(NamedTuple):
    """Writes 0 in place of every element: the step is left out."""

    factor: float = 0.0

    def changes(self, max_abs: "Number", nan: "Count", infinite: "Count") -> "Whether":
        """Whether any element is not 0."""
        return (max_abs > 0) | (nan > 0) | (infinite > 0)

    def apply(self, raw: Raw, dtype: DType, work: Workspace) -> int:
        """Write zeros."""
        raw[...] = 0
        return 0

    def at(self, start: int) -> "Action":
        """Return itself: all elements are changed alike."""
        return self


SKIPPED = Skip()
UNCHANGED = Scale()
"""Leaves the elements as they are, bit for bit."""


def action_for(strategy: Strategy, norm: float, threshold: float, epsilon: float) -> Action:
    """Return the action on a group with this norm; `threshold` is inf if the strategy takes none."""
    if strategy.group is Group.ELEMENT:
        return Clamp(threshold)
    numerator, denominator = strategy.ratio(norm, threshold, epsilon)
    return UNCHANGED if strategy.keeps(denominator, threshold) else Scale(numerator, denominator)  # type: ignore[arg-type]  # numbers give a bool


def group_ratios(strategy: Strategy, norms: "Floats", threshold: "Number", epsilon: float) -> "tuple[Floats, Floats]":
    """Return the numerators and denominators of the factors of many groups, in the shape of `norms`; both are 1 if kept."""
    numerators, denominators = strategy.ratio(norms, threshold, epsilon)
    kept = strategy.keeps(denominators, threshold)
    return (
        np.broadcast_to(np.where(kept, 1.0, numerators), norms.shape),
        np.broadcast_to(np.where(kept, 1.0, denominators), norms.shape),
    )


def group_factors(strategy: Strategy, norms: "Floats", threshold: "Number", epsilon: float) -> "Floats":
    """Return the factors of many groups, bit for bit those of `action_for`; for elementwise clipping, of the largest element."""
    numerators, denominators = group_ratios(strategy, norms, threshold, epsilon)
    with np.errstate(all="ignore"):
        return numerators / denominators
