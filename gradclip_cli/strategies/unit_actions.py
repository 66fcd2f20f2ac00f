"""Carry out strategies whose groups are units: each output of a layer has a factor of its own."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.numerics.dtypes import DType, Raw
from gradclip_cli.numerics.unit_scaling import UnitFactors, UnitScaling, scale_units
from gradclip_cli.numerics.workspace import Workspace
from gradclip_cli.strategies.actions import group_ratios
from gradclip_cli.strategies.base import Strategy

if TYPE_CHECKING:
    from gradclip_cli.numerics.unit_layout import UnitLayout
    from gradclip_cli.strategies.actions import Count, Whether
    from gradclip_cli.strategies.base import Floats, Number


@dataclass(frozen=True, slots=True, eq=False)
class ScaleUnits:
    """Multiplies the elements of each unit by a factor of its own."""

    how: UnitScaling
    start: int = 0

    @property
    def factor(self) -> None:
        """None: it differs between units."""

    def changes(self, max_abs: "Number", nan: "Count", infinite: "Count") -> "Whether":
        """Whether any unit is clipped; one of zeros never is."""
        return np.broadcast_to(self.how.clipped.any(), np.shape(max_abs))

    def apply(self, raw: Raw, dtype: DType, work: Workspace) -> int:
        """Multiply, in units that are clipped; return how many elements these have."""
        return scale_units(raw, dtype, self.start, self.how, work)

    def at(self, start: int) -> "ScaleUnits":
        """Return the action on a piece that begins at element `start`."""
        return replace(self, start=start)


class UnitRatios:
    """The factors of all units of a tensor, (units,); `denominators` are norms, and both are 1 where a unit is kept."""

    def __init__(self, numerators: "Floats", denominators: "Floats") -> None:
        self.numerators, self.denominators = numerators, denominators

    @classmethod
    def of(
        cls, strategy: Strategy, norms: "Floats", thresholds: "Number", kept: NDArray[np.bool_] | None
    ) -> "UnitRatios":
        """Compare norms with a threshold, or one for each unit; what is `kept` stays whatever its norm."""
        numerators, denominators = group_ratios(strategy, norms, thresholds, 0.0)
        if kept is not None:
            numerators, denominators = np.where(kept, 1.0, numerators), np.where(kept, 1.0, denominators)
        return cls(numerators, denominators)

    @property
    def clipped(self) -> NDArray[np.bool_]:
        """Which units are clipped."""
        found: NDArray[np.bool_] = self.numerators != self.denominators
        return found

    @property
    def factors(self) -> "Floats":
        """The factor of each unit."""
        with np.errstate(all="ignore"):
            return self.numerators / self.denominators

    def action(self, layout: "UnitLayout", first: int, *, has_nan: bool) -> ScaleUnits:
        """Return the action on a tensor, or on the piece of it whose units begin at `first`."""
        own = slice(first, first + layout.units)
        by = UnitFactors.of(self.numerators[own], self.denominators[own])
        return ScaleUnits(UnitScaling(layout, by, self.clipped[own], has_nan))
