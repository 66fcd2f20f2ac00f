"""The plan of `check`."""

from dataclasses import dataclass

from gradclip_cli.checks.limits import Limits
from gradclip_cli.inputs.selection import Selection
from gradclip_cli.inputs.source import DumpSource
from gradclip_cli.strategies.norm import check_jobs


@dataclass(frozen=True)
class CheckPlan:
    """A request to find what is wrong with dumps; `rules` are the names of checks."""

    inputs: tuple[DumpSource, ...]
    rules: tuple[str, ...]
    limits: Limits
    selection: Selection = Selection()
    keep_going: bool = False
    jobs: int | None = None

    def __post_init__(self) -> None:
        check_jobs(self.jobs)
