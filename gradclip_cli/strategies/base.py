"""What a strategy is: a formula that scales the tensors of a group by their norm, and the actions that carry it out."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple, Protocol

from gradclip_cli.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gradclip_cli.numerics.dtypes import DType, Raw
    from gradclip_cli.numerics.workspace import Workspace

    Floats = NDArray[np.float64]
    Number = float | Floats

Ratio = Callable[["Number", "Number", float], "tuple[Number, Number]"]
"""norm, threshold, epsilon → numerator and denominator of the factor; numbers, or arrays of one shape"""

Keeps = Callable[["Number", "Number"], "bool | NDArray[np.bool_]"]
"""denominator, threshold → whether a group stays as it is, bit by bit"""


@dataclass(frozen=True)
class Norm:
    """The norm that is measured: `type` P of (Σ|g|^P)^(1/P), and what is added to it before it is compared."""

    type: float = 2.0
    epsilon: float = 0.0

    def __post_init__(self) -> None:
        if not (self.type == math.inf or 0.1 <= self.type <= 64):
            raise UsageError(f"the norm type must be inf or from 0.1 to 64, not {self.type:g}")
        if not 0 <= self.epsilon < math.inf:
            raise UsageError(f"epsilon must be a number of at least 0, not {self.epsilon:g}")

    @classmethod
    def asked(cls, type: float | None, epsilon: float | None) -> "Norm | None":
        """Return the norm that a user asked for; None where neither of its parts was given."""
        return None if type is None and epsilon is None else cls(2.0 if type is None else type, epsilon or 0.0)


class Action(Protocol):
    """A change to stored elements; `factor` is what they are multiplied by, None where that differs between elements."""

    @property
    def factor(self) -> float | None:
        """What the elements are multiplied by."""

    def changes(self, max_abs: float, nan: int, infinite: int) -> bool:
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

    def changes(self, max_abs: float, nan: int, infinite: int) -> bool:
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

    def changes(self, max_abs: float, nan: int, infinite: int) -> bool:
        """Whether any element is above the limit."""
        return math.isfinite(self.limit) and (max_abs > self.limit or (infinite > 0 and not self.keep_infinite))

    def apply(self, raw: "Raw", dtype: "DType", work: "Workspace") -> int:
        """Replace what is above the limit by the limit, rounded to the dtype."""
        from gradclip_cli.numerics.transforms import clamp

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

    def apply(self, raw: "Raw", dtype: "DType", work: "Workspace") -> int:
        """Replace, then act."""
        from gradclip_cli.numerics.transforms import zero_nonfinite

        zero_nonfinite(raw, dtype, work)
        return self.action.apply(raw, dtype, work)


UNCHANGED = Scale()
"""Leave the elements as they are, bit by bit."""


class Group(Enum):
    """Which tensors share one norm."""

    NONE = "-"
    DUMP = "dump"
    LAYER = "layer"
    TENSOR = "tensor"
    ELEMENT = "element"


class Strategy(NamedTuple):
    """A rule that turns gradients into gradients; `rule` and `source` are what `gradclip strategies` shows."""

    name: str
    aliases: tuple[str, ...]
    group: Group
    rule: str
    source: str
    ratio: Ratio
    keeps: Keeps
    takes_threshold: bool = False
    takes_norm: bool = False  # --norm-type and --epsilon

    def decide(self, norm: float, threshold: float, epsilon: float) -> Action:
        """Return the action on a group of this norm; `threshold` is inf where the strategy takes none."""
        if self.group is Group.ELEMENT:
            return Clamp(threshold)
        numerator, denominator = self.ratio(norm, threshold, epsilon)
        return UNCHANGED if self.keeps(denominator, threshold) else Scale(numerator, denominator)  # type: ignore[arg-type]  # of numbers

    def ratios(self, norms: "Floats", threshold: "Number", epsilon: float) -> "tuple[Floats, Floats]":
        """Return the numerators and the denominators of the factors of many groups; both are 1 of a group that stays as it is."""
        import numpy as np

        numerators, denominators = self.ratio(norms, threshold, epsilon)
        kept = self.keeps(denominators, threshold)
        return (
            np.broadcast_to(np.where(kept, 1.0, numerators), norms.shape),
            np.broadcast_to(np.where(kept, 1.0, denominators), norms.shape),
        )

    def factors(self, norms: "Floats", threshold: "Number", epsilon: float) -> "Floats":
        """Return what many groups are multiplied by: the same bits as the factors of `decide`, of elements that of the largest."""
        import numpy as np

        numerators, denominators = self.ratios(norms, threshold, epsilon)
        with np.errstate(all="ignore"):
            return numerators / denominators
