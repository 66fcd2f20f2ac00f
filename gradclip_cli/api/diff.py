"""The function `diff`: compare two dumps, or two runs."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Unpack

from gradclip_cli import pipeline
from gradclip_cli.api.arguments import Path, Progress, begin, checked, path_of, selection_of
from gradclip_cli.api.stores import StoreKeywords, asks_stores
from gradclip_cli.commands.plans import DiffPlan, check_tolerance
from gradclip_cli.errors import UsageError
from gradclip_cli.inputs.choices import Choices
from gradclip_cli.inputs.discovery import find_side
from gradclip_cli.inputs.layouts import ranks
from gradclip_cli.inputs.loss_scale import parse_unscale
from gradclip_cli.inputs.norm_logs.base import LOG, LogOptions, Logs
from gradclip_cli.inputs.norm_logs.finding import logs_beside, refuse_column, refuse_options
from gradclip_cli.inputs.wanted_steps import WantedSteps, parse_steps
from gradclip_cli.numerics.differences import Tolerance
from gradclip_cli.reports.diff import DiffReport
from gradclip_cli.storage.locations import is_folder


@checked
@asks_stores
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
    column: str | None = None,
    jobs: int | None = None,
    progress: Progress | None = None,
    **stores: Unpack[StoreKeywords],
) -> DiffReport:
    """Compare two dumps tensor by tensor; elements are equal if |a - b| <= atol + rtol·|b|. Raises `GradclipError`.

    Of two runs, which are directories of several dumps or files of several steps, the steps of the same number are compared.
    Either side may be a log of norms, whose `column` is taken: then norms are compared, not elements.
    With `accumulate`, the files of a directory are micro-batches of one dump. With `shards`, they hold pieces of the same
    tensors, which are compared in natural order of the files; one side may be one dump of whole tensors.
    """
    asked = locals()
    wanted = parse_steps(steps)
    choices = Choices(tuple(files), shards, repeated, accumulate=accumulate, steps=wanted)
    paths = path_of(a), path_of(b)
    if accumulate is not None and not any(map(is_folder, paths)):
        raise UsageError("--accumulate takes the files of a directory for micro-batches; give a directory")
    sides = [logs_beside(path, input_format, column) for path in paths]
    if any(sides):
        refuse_options((sides[0] or sides[1])[0], asked, both=all(sides))
        options = LogOptions(column, repeated, parse_unscale(unscale))
        dumps = {
            "void_dtype": void_dtype,
            "allow_huge": allow_huge,
            "input_format": None if input_format == LOG else input_format,
            "shards": shards,
            "files": files,
            "steps": wanted,
            "repeated": repeated,
            "accumulate": accumulate,
            "unscale": unscale,
            "jobs": jobs,
            "progress": progress,
        }
        return _diff_norms(paths, sides, options, wanted, Tolerance(rtol, atol), dumps)
    refuse_column(column)
    found = [find_side(path, choices) for path in paths]
    sources, notes = [*found[0].sources, *found[1].sources], tuple(note for one in found for note in one.notes)
    if shards and not ranks.are_in(sources):
        raise UsageError(
            "--shards needs the files of two ranks or more; give a directory of them for A, for B, or for both"
        )
    selection = selection_of(asked, sources if shards else ())
    plan = DiffPlan(found[0].sources, found[1].sources, paths, rtol, atol, selection, jobs, notes, repeated)
    return pipeline.diff(plan, begin(progress, sources, 1))


def _diff_norms(
    paths: Sequence[str],
    sides: Sequence[Sequence[str]],
    options: LogOptions,
    wanted: WantedSteps | None,
    tolerance: Tolerance,
    dumps: Mapping[str, Any],
) -> DiffReport:
    """Compare the norms of two sides, each a log or dumps, which are measured as `stats` does it."""
    from gradclip_cli.api.stats import stats  # with all of it, which two runs of dumps need not wait for
    from gradclip_cli.commands.diff.logged import NormRun, compare_norms, logged_run

    check_tolerance(*tolerance)
    runs = list[NormRun]()
    for path, logs in zip(paths, sides, strict=True):
        if logs:
            runs.append(logged_run(Logs(tuple(logs), options), wanted))
            continue
        found = stats(path, **dumps)
        rows = [(row.input, row.step, row.norm) for row in found.dumps]
        inputs, steps, norms = (list(column) for column in zip(*rows, strict=True))
        runs.append(NormRun(path, None, inputs, steps, norms, notes=found.notes))
    return compare_norms(runs[0], runs[1], tolerance)
