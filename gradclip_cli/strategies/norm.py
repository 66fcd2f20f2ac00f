"""What several plans have in common: the norm, and the number of threads."""

import math
from dataclasses import dataclass

from gradclip_cli.errors import UsageError


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


def check_jobs(jobs: int | None) -> None:
    """Raise UsageError for a number of threads that cannot be."""
    if jobs is not None and jobs < 1:
        raise UsageError(f"jobs must be at least 1, not {jobs}")
