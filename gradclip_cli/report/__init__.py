"""Reports are data: what the commands found, under the names that their JSON has.

Some fields are for a person and no part of the JSON: `notes`, which go to standard error; `labels`, by which frameworks
call layers beside their names; the `series` of each layer's norms, and its `own` threshold; `advice`; what `failed`; and some
figures of candidates. Rows are named tuples, since there may be hundreds of thousands of them.
"""

from gradclip_cli.report.apply import ApplyDump, ApplyLayer, ApplyParam, ApplyReport, ApplyTotal
from gradclip_cli.report.check import CheckReport, Finding
from gradclip_cli.report.diff import DiffParam, DiffReport
from gradclip_cli.report.lists import LsReport, LsTensor, StrategiesReport, StrategyRow
from gradclip_cli.report.stats import (
    Advised,
    Candidate,
    OwnThreshold,
    ReplayGroup,
    ReplayStep,
    StatsDump,
    StatsLayer,
    StatsParam,
    StatsReport,
    Suggestion,
    Tried,
)

Report = ApplyReport | StatsReport | CheckReport | DiffReport | LsReport | StrategiesReport

__all__ = [
    "Advised",
    "ApplyDump",
    "ApplyLayer",
    "ApplyParam",
    "ApplyReport",
    "ApplyTotal",
    "Candidate",
    "CheckReport",
    "DiffParam",
    "DiffReport",
    "Finding",
    "LsReport",
    "LsTensor",
    "OwnThreshold",
    "ReplayGroup",
    "ReplayStep",
    "Report",
    "StatsDump",
    "StatsLayer",
    "StatsParam",
    "StatsReport",
    "StrategiesReport",
    "StrategyRow",
    "Suggestion",
    "Tried",
]
