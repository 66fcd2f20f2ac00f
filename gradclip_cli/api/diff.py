"""The function `diff`: compare two dumps."""

import os
from collections.abc import Iterable

from gradclip_cli import pipeline
from gradclip_cli.api.arguments import Path, Progress, begin, checked
from gradclip_cli.commands.plans import DiffPlan
from gradclip_cli.errors import UsageError
from gradclip_cli.inputs.choices import Choices
from gradclip_cli.inputs.discovery import find_one
from gradclip_cli.inputs.layouts import ranks
from gradclip_cli.inputs.loss_scale import parse_unscale
from gradclip_cli.inputs.naming import Naming
from gradclip_cli.inputs.selection import Selection, replicated_in
from gradclip_cli.inputs.wanted_steps import WantedSteps, parse_steps
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
    shards: bool = False,
    files: Iterable[str] = (),
    steps: str | int | WantedSteps | None = None,
    accumulate: str | None = None,
    replicated: Iterable[str] = (),
    unscale: float | str | None = None,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> DiffReport:
    """Compare two dumps tensor by tensor; elements are equal if |a - b| <= atol + rtol·|b|. Raises `GradclipError`.

    With `accumulate`, the files of a directory are micro-batches of one dump. With `shards`, they hold pieces of the same
    tensors, which are compared in natural order of the files; one side may be one dump of whole tensors.
    """
    choices = Choices(tuple(files), shards, accumulate=accumulate, steps=parse_steps(steps), whole_files=True)
    if accumulate is not None and not any(os.path.isdir(path) for path in (a, b)):
        raise UsageError("--accumulate takes the files of a directory for micro-batches; give a directory")
    found = find_one(os.fspath(a), choices), find_one(os.fspath(b), choices)
    sources, notes = [one.sources[0] for one in found], tuple(note for one in found for note in one.notes)
    if shards and not ranks.are_in(sources):
        raise UsageError(
            "--shards needs the files of two ranks or more; give a directory of them for A, for B, or for both"
        )
    selection = Selection(
        tuple(include),
        tuple(exclude),
        Naming(),
        input_format,
        void_dtype,
        allow_huge,
        unscale=parse_unscale(unscale),
        replicated=replicated_in(sources if shards else (), replicated),
    )
    plan = DiffPlan(sources[0], sources[1], rtol, atol, selection, jobs, notes)
    return pipeline.diff(plan, begin(progress, sources, 1))
