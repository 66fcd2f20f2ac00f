"""Define strategies: each is a formula for the factor of the tensors that share a norm; `actions` applies it to elements."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from gradclip_cli.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Number = float | Floats

Ratio = Callable[["Number", "Number", float], "tuple[Number, Number]"]
"""(norm, threshold, epsilon) → (numerator, denominator) of the factor; numbers, or arrays of one shape."""

Keeps = Callable[["Number", "Number"], "bool | NDArray[np.bool_]"]
"""(denominator, threshold) → whether a group stays as it is, bit for bit."""


@dataclass(frozen=True)
class Norm:
    """The norm (Σ|g|^P)^(1/P), where `type` is P; `epsilon` is added to it before it is compared with a threshold."""

    type: float = 2.0
    epsilon: float = 0.0

    def __post_init__(self) -> None:
        if not (self.type == math.inf or 0.1 <= self.type <= 64):
            raise UsageError(f"the norm type must be inf or from 0.1 to 64, not {self.type:g}")
        if not 0 <= self.epsilon < math.inf:
            raise UsageError(f"epsilon must be a number of at least 0, not {self.epsilon:g}")

    @classmethod
    def asked(cls, type: float | None, epsilon: float | None) -> "Norm | None":
        """Return the norm that a user asked for; None if neither type nor epsilon was given."""
        return None if type is None and epsilon is None else cls(2.0 if type is None else type, epsilon or 0.0)


class Group(Enum):
    """The tensors that share one norm."""

    NONE = "-"
    DUMP = "dump"
    LAYER = "layer"
    TENSOR = "tensor"
    UNIT = "unit"
    ELEMENT = "element"


class Strategy(NamedTuple):
    """A rule that changes gradients; `gradclip strategies` shows `rule` and `source`."""

    name: str
    aliases: tuple[str, ...]
    group: Group
    rule: str
    source: str
    ratio: Ratio
    keeps: Keeps
    takes_threshold: bool = False
    takes_norm: bool = False  # --norm-type and --epsilon
    of_mean: bool = False  # the norm is divided by the root of the number of elements
    takes_weights: bool = False  # thresholds are multiples of the norms of weights
