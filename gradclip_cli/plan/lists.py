"""The plan of `check`."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gradclip_cli.inputs.selection import Selection
from gradclip_cli.inputs.source import DumpSource
from gradclip_cli.strategies.norm import check_jobs

if TYPE_CHECKING:
    from gradclip_cli.rules.limits import Limits


@dataclass(frozen=True)
class CheckPlan:
    """A request to find what is wrong with dumps; `rules` are names."""

    inputs: tuple[DumpSource, ...]
    rules: tuple[str, ...]
    limits: "Limits"
    selection: Selection = Selection()
    keep_going: bool = False
    jobs: int | None = None

    def __post_init__(self) -> None:
        check_jobs(self.jobs)
