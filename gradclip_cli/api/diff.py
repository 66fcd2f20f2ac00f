"""The function `diff`: compare two dumps."""

import os
from collections.abc import Iterable

from gradclip_cli import pipeline
from gradclip_cli.api.arguments import Path, Progress, begin, checked
from gradclip_cli.commands.plans import DiffPlan
from gradclip_cli.inputs.discovery import find_one
from gradclip_cli.inputs.naming import Naming
from gradclip_cli.inputs.selection import Selection
from gradclip_cli.reports.diff import DiffReport


@checked
def diff(
    a: Path,
    b: Path,
    *,
    rtol: float = 0.0,
    atol: float = 0.0,
    include: Iterable[str] = (),
    exclude: Iterable[str] = (),
    void_dtype: str | None = None,
    allow_huge: bool = False,
    input_format: str | None = None,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> DiffReport:
    """Compare two dumps tensor by tensor; elements are equal if |a - b| <= atol + rtol·|b|. Raises `GradclipError`."""
    found = find_one(os.fspath(a)), find_one(os.fspath(b))
    selection = Selection(tuple(include), tuple(exclude), Naming(), input_format, void_dtype, allow_huge)
    return pipeline.diff(DiffPlan(*found, rtol, atol, selection, jobs), begin(progress, found, 1))
