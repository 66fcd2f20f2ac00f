"""What each command found, as plain data that knows its schema; the fields have the names of the JSON's keys.

A new report is a named tuple with a `schema` and its `scopes` in a module here, and a line in `render/tables/arrange.py`.
"""

from gradclip_cli.reports.apply import ApplyDump, ApplyLayer, ApplyParam, ApplyReport, ApplyTotal
from gradclip_cli.reports.base import Report
from gradclip_cli.reports.check import CheckReport, Finding
from gradclip_cli.reports.diff import DiffParam, DiffReport
from gradclip_cli.reports.listing import LsReport, LsTensor, StrategiesReport, StrategyRow
from gradclip_cli.reports.stats import (
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
