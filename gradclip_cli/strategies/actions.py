"""What is done to the stored elements of a tensor, piece by piece and in place."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from gradclip_cli.numerics.dtypes import DType, Raw
    from gradclip_cli.numerics.workspace import Workspace


class Action(Protocol):
    """A change to stored elements; `factor` is what they are multiplied by, None where that differs between elements."""

    @property
    def factor(self) -> float | None:
        """What the elements are multiplied by."""

    def touches(self, max_abs: float, nan: int, infinite: int) -> bool:
        """Whether a tensor would change at all, by its largest finite |x| and how many are not finite; if not, it is copied."""

    def apply(self, raw: "Raw", dtype: "DType", work: "Workspace") -> int:
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

    def touches(self, max_abs: float, nan: int, infinite: int) -> bool:
        """Whether the factor is not 1; zeros stay zeros unless it is not finite."""
        return self.factor != 1 and (max_abs > 0 or nan > 0 or infinite > 0 or not math.isfinite(self.factor))

    def apply(self, raw: "Raw", dtype: "DType", work: "Workspace") -> int:
        """Multiply; where the factor is not a normal number, divide and multiply apart so that no digit is lost."""
        from gradclip_cli.numerics.transforms import scale

        scale(raw, dtype, self.factor, self.numerator, self.denominator, work)
        return 0


class Clamp(NamedTuple):
    """Limit every element to [-limit, limit]; NaN stays, and so do infinities where `keep_infinite` says so."""

    limit: float
    keep_infinite: bool = False
    factor: None = None

    def touches(self, max_abs: float, nan: int, infinite: int) -> bool:
        """Whether any element is above the limit."""
        return math.isfinite(self.limit) and (max_abs > self.limit or (infinite > 0 and not self.keep_infinite))

    def apply(self, raw: "Raw", dtype: "DType", work: "Workspace") -> int:
        """Replace what is above the limit by the limit, rounded to the dtype."""
        from gradclip_cli.numerics.transforms import clamp

        return clamp(raw, dtype, self.limit, self.keep_infinite, work)


class Cleaned(NamedTuple):
    """Replace NaN and infinities by zero, then do `action`."""

    action: Action

    @property
    def factor(self) -> float | None:
        """The factor of the action itself."""
        return self.action.factor

    def touches(self, max_abs: float, nan: int, infinite: int) -> bool:
        """Whether there is anything to replace, or the action changes anything."""
        return nan > 0 or infinite > 0 or self.action.touches(max_abs, nan, infinite)

    def apply(self, raw: "Raw", dtype: "DType", work: "Workspace") -> int:
        """Replace, then act."""
        from gradclip_cli.numerics.transforms import zero_nonfinite

        zero_nonfinite(raw, dtype, work)
        return self.action.apply(raw, dtype, work)


KEEP = Scale()
"""Leave the elements as they are, bit by bit."""
