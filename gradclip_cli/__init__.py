"""Inspect and clip saved gradients from Python, as the `gradclip` command does.

`apply`, `stats`, `check`, `report`, `diff`, `show` and `ls` take the same names as the command line, print nothing, and return
the reports that it renders. Every error they raise is a `GradclipError`. The modules behind these names may change; the names do not.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from gradclip_cli._version import __version__
from gradclip_cli.errors import (
    ClosedPipeError,
    GradclipError,
    InputError,
    NonFiniteError,
    OutputError,
    UsageError,
)

if TYPE_CHECKING:
    from gradclip_cli.api.apply import apply
    from gradclip_cli.api.arguments import Progress
    from gradclip_cli.api.check import check
    from gradclip_cli.api.diff import diff
    from gradclip_cli.api.ls import ls
    from gradclip_cli.api.report import report
    from gradclip_cli.api.show import show
    from gradclip_cli.api.stats import stats
    from gradclip_cli.commands.apply.plan import Override
    from gradclip_cli.commands.stats.plan import Trial
    from gradclip_cli.reports.apply import ApplyDump, ApplyLayer, ApplyParam, ApplyReport, ApplyTotal
    from gradclip_cli.reports.check import CheckReport, Finding, FirstRise
    from gradclip_cli.reports.diff import DiffBlock, DiffFirst, DiffParam, DiffReport, DiffStep
    from gradclip_cli.reports.listing import LsDump, LsReport, LsTensor
    from gradclip_cli.reports.run import RunReport
    from gradclip_cli.reports.show import (
        ShowBand,
        ShowBin,
        ShowBlock,
        ShowParam,
        ShowPercentile,
        ShowPlace,
        ShowReport,
        ShowTotal,
        ShowValues,
    )
    from gradclip_cli.reports.stats import (
        BlockShare,
        StatsBlock,
        StatsDump,
        StatsLayer,
        StatsParam,
        StatsReport,
        StatsSize,
    )
    from gradclip_cli.reports.stats_findings import (
        BlockRise,
        Exploding,
        Growing,
        NonfiniteTensor,
        StatsTrend,
        Vanishing,
    )
    from gradclip_cli.reports.stats_series import BlockStep, LayerStep, NamedNorms, NormSeries
    from gradclip_cli.reports.stats_thresholds import (
        Advised,
        Candidate,
        OwnThreshold,
        ReplayGroup,
        ReplayStep,
        Suggestion,
        Tried,
    )
    from gradclip_cli.reports.values import Magnitudes, ValueReport
    from gradclip_cli.strategies.base import Strategy
    from gradclip_cli.thresholds.adaptive import AdaptiveRule
    from gradclip_cli.thresholds.rules import AutoRule, Rule

__all__ = [
    "AdaptiveRule",
    "Advised",
    "ApplyDump",
    "ApplyLayer",
    "ApplyParam",
    "ApplyReport",
    "ApplyTotal",
    "AutoRule",
    "BlockRise",
    "BlockShare",
    "BlockStep",
    "Candidate",
    "CheckReport",
    "ClosedPipeError",
    "DiffBlock",
    "DiffFirst",
    "DiffParam",
    "DiffReport",
    "DiffStep",
    "Exploding",
    "Finding",
    "FirstRise",
    "GradclipError",
    "Growing",
    "InputError",
    "LayerStep",
    "LsDump",
    "LsReport",
    "LsTensor",
    "Magnitudes",
    "NamedNorms",
    "NonFiniteError",
    "NonfiniteTensor",
    "NormSeries",
    "OutputError",
    "Override",
    "OwnThreshold",
    "Progress",
    "ReplayGroup",
    "ReplayStep",
    "Rule",
    "RunReport",
    "ShowBand",
    "ShowBin",
    "ShowBlock",
    "ShowParam",
    "ShowPercentile",
    "ShowPlace",
    "ShowReport",
    "ShowTotal",
    "ShowValues",
    "StatsBlock",
    "StatsDump",
    "StatsLayer",
    "StatsParam",
    "StatsReport",
    "StatsSize",
    "StatsTrend",
    "Strategy",
    "Suggestion",
    "Trial",
    "Tried",
    "UsageError",
    "ValueReport",
    "Vanishing",
    "__version__",
    "apply",
    "check",
    "diff",
    "ls",
    "report",
    "show",
    "stats",
]


_HOMES = {
    "AdaptiveRule": "thresholds.adaptive",
    "Rule": "thresholds.rules",
    "Strategy": "strategies.base",
    "Trial": "commands.stats.plan",
    "Advised": "reports.stats_thresholds",
    "ApplyDump": "reports.apply",
    "ApplyLayer": "reports.apply",
    "ApplyParam": "reports.apply",
    "ApplyReport": "reports.apply",
    "ApplyTotal": "reports.apply",
    "Candidate": "reports.stats_thresholds",
    "CheckReport": "reports.check",
    "DiffBlock": "reports.diff",
    "DiffFirst": "reports.diff",
    "DiffParam": "reports.diff",
    "DiffReport": "reports.diff",
    "DiffStep": "reports.diff",
    "Finding": "reports.check",
    "LsDump": "reports.listing",
    "LsReport": "reports.listing",
    "LsTensor": "reports.listing",
    "Magnitudes": "reports.values",
    "RunReport": "reports.run",
    "ValueReport": "reports.values",
    "Override": "commands.apply.plan",
    "OwnThreshold": "reports.stats_thresholds",
    "Progress": "api.arguments",
    "ReplayGroup": "reports.stats_thresholds",
    "ReplayStep": "reports.stats_thresholds",
    "AutoRule": "thresholds.rules",
    "BlockRise": "reports.stats_findings",
    "BlockShare": "reports.stats",
    "BlockStep": "reports.stats_series",
    "Exploding": "reports.stats_findings",
    "FirstRise": "reports.check",
    "Growing": "reports.stats_findings",
    "LayerStep": "reports.stats_series",
    "NamedNorms": "reports.stats_series",
    "NonfiniteTensor": "reports.stats_findings",
    "NormSeries": "reports.stats_series",
    "StatsBlock": "reports.stats",
    "StatsSize": "reports.stats",
    "StatsTrend": "reports.stats_findings",
    "Vanishing": "reports.stats_findings",
    "ShowBand": "reports.show",
    "ShowBin": "reports.show",
    "ShowBlock": "reports.show",
    "ShowParam": "reports.show",
    "ShowPercentile": "reports.show",
    "ShowPlace": "reports.show",
    "ShowReport": "reports.show",
    "ShowTotal": "reports.show",
    "ShowValues": "reports.show",
    "StatsDump": "reports.stats",
    "StatsLayer": "reports.stats",
    "StatsParam": "reports.stats",
    "StatsReport": "reports.stats",
    "Suggestion": "reports.stats_thresholds",
    "Tried": "reports.stats_thresholds",
    "apply": "api.apply",
    "check": "api.check",
    "diff": "api.diff",
    "ls": "api.ls",
    "report": "api.report",
    "show": "api.show",
    "stats": "api.stats",
}
"""The modules that define the public names, which are imported on first use."""


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that importing the package does not import numpy."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """Return the public names, those that are not imported yet, too."""
    return sorted(__all__)
