"""The plan of `report`."""

from dataclasses import dataclass

from gradclip_cli.commands.plans import CheckPlan
from gradclip_cli.commands.stats.plan import StatsPlan


@dataclass(frozen=True)
class ReportPlan:
    """A request for all that a page shows of a run; `check` has the same inputs as `stats`, `against` is another run."""

    stats: StatsPlan
    check: CheckPlan
    title: str
    against: StatsPlan | None = None
