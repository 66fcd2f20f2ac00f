"""Inspect and clip saved gradients: the work of the `gradclip` command, for use from Python.

`apply`, `stats`, `check`, `diff` and `ls` take the same names as the command line, print nothing, and return the reports that it
renders. What they raise is a `GradclipError`. The modules behind these names may change; the names do not.
"""

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
    from gradclip_cli.api import apply, check, diff, ls, stats
    from gradclip_cli.commands.apply.plan import Override
    from gradclip_cli.commands.arguments import Progress
    from gradclip_cli.reports import (
        Advised,
        ApplyDump,
        ApplyLayer,
        ApplyParam,
        ApplyReport,
        ApplyTotal,
        Candidate,
        CheckReport,
        DiffParam,
        DiffReport,
        Finding,
        LsReport,
        LsTensor,
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
    "ClosedPipeError",
    "DiffParam",
    "DiffReport",
    "Finding",
    "GradclipError",
    "InputError",
    "LsReport",
    "LsTensor",
    "NonFiniteError",
    "OutputError",
    "Override",
    "OwnThreshold",
    "Progress",
    "ReplayGroup",
    "ReplayStep",
    "StatsDump",
    "StatsLayer",
    "StatsParam",
    "StatsReport",
    "Suggestion",
    "Tried",
    "UsageError",
    "__version__",
    "apply",
    "check",
    "diff",
    "ls",
    "stats",
]


def __getattr__(name: str) -> Any:
    """Import what is public when it is first asked for: numpy comes only where there is work for it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from gradclip_cli import api, reports

    return getattr(api, name) if hasattr(api, name) else getattr(reports, name)
