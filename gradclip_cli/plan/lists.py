"""The plans of `diff` and `ls`."""

import math
from dataclasses import dataclass
from typing import NamedTuple

from gradclip_cli.errors import UsageError
from gradclip_cli.inputs.selection import Selection
from gradclip_cli.storage.streams import STANDARD
from gradclip_cli.strategies.norm import check_jobs


@dataclass(frozen=True)
class DiffPlan:
    """A request to compare two dumps; elements are equal if |a - b| <= atol + rtol·|b|."""

    a: str
    b: str
    rtol: float = 0.0
    atol: float = 0.0
    selection: Selection = Selection()
    jobs: int | None = None

    def __post_init__(self) -> None:
        for name, value in (("rtol", self.rtol), ("atol", self.atol)):
            if not 0 <= value < math.inf:
                raise UsageError(f"{name} must be a number of at least 0, not {value:g}")
        if self.a == self.b == STANDARD:
            raise UsageError("standard input can be read only once; give - once")
        check_jobs(self.jobs)


class LsPlan(NamedTuple):
    """A request to list what dumps hold."""

    inputs: tuple[str, ...]
    selection: Selection = Selection()
