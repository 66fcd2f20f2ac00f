"""The function `diff`: compare two dumps, or two runs."""

import os
from collections.abc import Iterable

from gradclip_cli import pipeline
from gradclip_cli.api.arguments import Path, Progress, begin, checked
from gradclip_cli.commands.plans import DiffPlan
from gradclip_cli.errors import UsageError
from gradclip_cli.inputs.choices import Choices
from gradclip_cli.inputs.discovery import find_side
from gradclip_cli.inputs.layouts import ranks
from gradclip_cli.inputs.loss_scale import parse_unscale
from gradclip_cli.inputs.naming import Naming
from gradclip_cli.inputs.norm_logs.finding import refuse_logs
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
    group_depth: int | None = None,
    layer_regex: str | None = None,
    void_dtype: str | None = None,
    allow_huge: bool = False,
    input_format: str | None = None,
    shards: bool = False,
    files: Iterable[str] = (),
    steps: str | int | WantedSteps | None = None,
    repeated: str | None = None,
    accumulate: str | None = None,
    replicated: Iterable[str] = (),
    unscale: float | str | None = None,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> DiffReport:
    """Compare two dumps tensor by tensor; elements are equal if |a - b| <= atol + rtol·|b|. Raises `GradclipError`.

    Of two runs, which are directories of several dumps or files of several steps, the steps of the same number are compared.
    With `accumulate`, the files of a directory are micro-batches of one dump. With `shards`, they hold pieces of the same
    tensors, which are compared in natural order of the files; one side may be one dump of whole tensors.
    """
    wanted = parse_steps(steps)
    choices = Choices(tuple(files), shards, repeated, accumulate=accumulate, steps=wanted)
    if accumulate is not None and not any(os.path.isdir(path) for path in (a, b)):
        raise UsageError("--accumulate takes the files of a directory for micro-batches; give a directory")
    paths = os.fspath(a), os.fspath(b)
    refuse_logs(paths, "diff")
    found = [find_side(path, choices) for path in paths]
    sources, notes = [*found[0].sources, *found[1].sources], tuple(note for one in found for note in one.notes)
    if shards and not ranks.are_in(sources):
        raise UsageError(
            "--shards needs the files of two ranks or more; give a directory of them for A, for B, or for both"
        )
    selection = Selection(
        tuple(include),
        tuple(exclude),
        Naming.parse(layer_regex, group_depth),
        input_format,
        void_dtype,
        allow_huge,
        unscale=parse_unscale(unscale),
        replicated=replicated_in(sources if shards else (), replicated),
        steps=wanted,
    )
    plan = DiffPlan(found[0].sources, found[1].sources, paths, rtol, atol, selection, jobs, notes, repeated)
    return pipeline.diff(plan, begin(progress, sources, 1))
