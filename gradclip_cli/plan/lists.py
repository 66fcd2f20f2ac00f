"""The plans of `diff`, `check` and `ls`."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from gradclip_cli.errors import UsageError
from gradclip_cli.inputs.selection import Selection
from gradclip_cli.storage.streams import STANDARD
from gradclip_cli.strategies.norm import check_jobs

if TYPE_CHECKING:
    from gradclip_cli.rules.limits import Limits


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


@dataclass(frozen=True)
class CheckPlan:
    """A request to find what is wrong with dumps; `rules` are names."""

    inputs: tuple[str, ...]
    rules: tuple[str, ...]
    limits: "Limits"
    selection: Selection = Selection()
    keep_going: bool = False
    jobs: int | None = None

    def __post_init__(self) -> None:
        check_jobs(self.jobs)


class LsPlan(NamedTuple):
    """A request to list what dumps hold."""

    inputs: tuple[str, ...]
    selection: Selection = Selection()
