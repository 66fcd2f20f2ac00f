"""The limits of the checks: each is defined here once, with its default and its help."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from gradclip_cli.errors import UsageError
from gradclip_cli.thresholds.base import EXPLODING_DUMPS, EXPLODING_FACTOR

STORED = "stored"
DTYPES = (STORED, "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz")
"""The dtypes that `underflow` can judge: the stored dtype of a tensor, or another that it might be stored in."""


def _limit(default: Any, help: str) -> Any:
    return field(default=default, metadata={"help": help})


@dataclass(frozen=True)
class Limits:
    """The limits of what is healthy; shares are from 0 to 1."""

    exploding_factor: float = _limit(
        EXPLODING_FACTOR, "Exploding: a norm above so many times the median of the 20 before it."
    )
    exploding_dumps: int = _limit(EXPLODING_DUMPS, "Exploding: judge only series of so many finite norms.")
    growing_factor: float = _limit(2.0, "Growing: norms that rise slowly to so many times what they were.")
    growing_dumps: int = _limit(10, "Growing: judge only series of so many finite norms.")
    accumulating_dumps: int = _limit(5, "Accumulating: norms that rise in so many dumps in a row, or more.")
    accumulating_cosine: float = _limit(
        0.85, "Accumulating: ... and at their end a cosine above this to the gradient of the dump before."
    )
    vanishing_mean: float = _limit(1e-7, "Vanishing: a mean |g| of the non-zero values below this.")
    vanishing_ratio: float = _limit(1e-6, "Vanishing: a norm of the first layer below so much of the last layer's.")
    dead_share: float = _limit(1.0, "Dead: a share of zeros of at least this.")
    unchanged_dumps: int = _limit(3, "Unchanged: the same values in so many dumps in a row.")
    unchanged_rtol: float = _limit(1e-5, "Unchanged: values are the same within so much of the earlier one ...")
    unchanged_atol: float = _limit(1e-8, "Unchanged: ... plus this, where the mean |g| of the tensor is above it.")
    dominated_share: float = _limit(0.999, "Dominated: a tensor with more than this share of the squared norm.")
    underflow_share: float = _limit(0.5, "Underflow: more than this share of the non-zero values is 0 or subnormal.")
    overflow_share: float = _limit(0.0, "Underflow: more than this share of the non-zero values overflows.")
    underflow_dtype: tuple[str, ...] = _limit((STORED,), "Underflow: in this dtype (repeatable).")
    spread_ratio: float = _limit(1e6, "Spread: a largest layer norm above so many times the smallest.")
    ratio_factor: float = _limit(
        EXPLODING_FACTOR, "Ratio: gradients to weights above so many times the median of the 20 before it."
    )
    ratio_max: float = _limit(math.inf, "Ratio: ... or above this, whatever it was before.")
    ratio_min: float = _limit(0.0, "Ratio: ... or below this.")
    unlike_baseline_spreads: float = _limit(
        4.0, "Unlike the baseline: a norm of a block outside the baseline's by more than so many of its spreads."
    )

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            option = "--" + name.replace("_", "-")
            if name == "underflow_dtype":
                _check_dtypes(option, value)
            elif not value >= 0:
                raise UsageError(f"{option} must be a number of at least 0, not {value:g}")
            elif name.endswith(("_share", "_cosine")) and value > 1:
                raise UsageError(f"{option} must be a {name.rpartition('_')[2]} from 0 to 1, not {value:g}")
            elif name.endswith("_dumps") and value < 2:
                raise UsageError(f"{option} must be at least 2, not {value}")
            elif name.endswith("tol") and value == math.inf:
                raise UsageError(f"{option} must be finite")
        if self.ratio_min > self.ratio_max:
            raise UsageError(
                f"--ratio-min {self.ratio_min:g} is above --ratio-max {self.ratio_max:g}, so that no ratio is right"
            )

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> "Limits":
        """Make limits from values by name, and defaults for the others; raise UsageError for an unknown or bad one."""
        names = [one.name for one in fields(cls)]
        if unknown := given.keys() - set(names):
            raise UsageError(f"there is no limit {min(unknown)!r}; limits are {', '.join(names)}")
        return cls(**given)


def _check_dtypes(option: str, names: Sequence[str]) -> None:
    if isinstance(names, str) or not names or not set(names) <= set(DTYPES):
        raise UsageError(f"{option} must name some of {', '.join(DTYPES)}, not {names!r}")
