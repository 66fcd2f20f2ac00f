"""Inspect and clip saved gradients: the work of the `gradclip` command, for use from Python.

`apply`, `stats`, `check` and `diff` take the same names as the command line, print nothing, and return the reports that it renders.
"""

from typing import TYPE_CHECKING, Any

from gradclip_cli.errors import GradclipError

if TYPE_CHECKING:
    from gradclip_cli.api import apply, check, diff, stats

__version__ = "0.1.0"
__all__ = ["GradclipError", "__version__", "apply", "check", "diff", "stats"]


def __getattr__(name: str) -> Any:
    if name in ("apply", "check", "diff", "stats"):  # numpy is imported only where there is work for it
        from gradclip_cli import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
