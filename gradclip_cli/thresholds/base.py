"""What one may write for a threshold in place of a number, and what any rule needs to choose from."""

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from gradclip_cli.errors import InputError, UsageError
from gradclip_cli.text import real

if TYPE_CHECKING:
    from gradclip_cli.thresholds.samples import NormSamples


@dataclass(frozen=True)
class Named:
    """What one may write after `-t` or `--rule`, which `str()` gives back."""

    name: str
    source: str
    argument: float | None = None
    limits: tuple[float, float] = (0.0, math.inf)

    def __str__(self) -> str:
        return self.name if self.argument is None else f"{self.name}:{self.argument!r}".removesuffix(".0")

    def given(self, text: str) -> Self:
        """Return this rule with another argument."""
        value = real(text)
        low, high = self.limits
        if self.argument is None:
            raise UsageError(f"the rule {self.name} takes no argument")
        if value is None or not low <= value <= high or math.isinf(value):
            raise UsageError(f"the rule {self.name} needs a number from {low:g} to {high:g}, not {text!r}")
        return replace(self, argument=value)


_LOOK = "look at it with `gradclip check`, and leave it out, or clip the rest of it by `apply --nonfinite zero`"


def require(rule: Named, samples: "NormSamples", what: str, path: str | None = None) -> None:
    """Raise InputError where no norm is finite: no rule can choose from that."""
    if not len(samples.finite):
        which = f"all {samples.nonfinite:,} norms are" if samples.nonfinite > 1 else "its one norm is"
        bad = f"{which} NaN or infinite; {_LOOK}"
        reason = bad if samples.nonfinite else "there is no norm; give dumps with gradients"
        raise InputError(f"no threshold can be chosen by {rule} for {what}: {reason}", path=path)


EXPLODING_FACTOR = 10.0
"""A norm above so many times what is usual for its group explodes, unless a user says otherwise."""

EXPLODING_DUMPS = 5
"""Of fewer finite norms nothing is said to explode, unless a user says otherwise."""
