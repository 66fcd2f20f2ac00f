"""The function `show`: the tensors of one dump by norm, and the values of one of them."""

from collections.abc import Iterable
from typing import Unpack

from gradclip_cli import pipeline
from gradclip_cli.api.arguments import Path, Paths, Progress, begin, checked, path_of, selection_of
from gradclip_cli.api.stores import StoreKeywords, asks_stores
from gradclip_cli.api.weights import weights_at
from gradclip_cli.commands.plans import ShowPlan
from gradclip_cli.errors import UsageError
from gradclip_cli.inputs.choices import Choices
from gradclip_cli.inputs.discovery import find_one
from gradclip_cli.inputs.layouts import ranks
from gradclip_cli.inputs.listing import is_folder
from gradclip_cli.inputs.norm_logs.finding import refuse_logs
from gradclip_cli.inputs.wanted_steps import WantedSteps, parse_steps
from gradclip_cli.reports.show import ShowReport


@checked
@asks_stores
def show(
    dump: Path,
    tensor: str | None = None,
    *,
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
    accumulate: str | None = None,
    replicated: Iterable[str] = (),
    tied: str = "twice",
    unscale: float | str | None = None,
    weights: Paths = (),
    allow_missing: bool = False,
    lr: float | None = None,
    jobs: int | None = None,
    progress: Progress | None = None,
    **stores: Unpack[StoreKeywords],
) -> ShowReport:
    """List the tensors of one dump by norm, or look into the one that `tensor` names, in one reading.

    `tensor` may be a shell-style pattern; if several match, they are listed. With `shards` or `accumulate`, the files of a
    directory are ranks or micro-batches of one dump. With `weights`, rows have ratios of gradients to weights;
    with `allow_missing`, some may have none. Raises `GradclipError`.
    """
    asked, path = locals(), path_of(dump)
    choices = Choices(tuple(files), shards, accumulate=accumulate, steps=parse_steps(steps))
    if accumulate is not None and not is_folder(path):
        raise UsageError("--accumulate takes the files of a directory for micro-batches; give a directory")
    refuse_logs([path], "show")
    found = find_one(path, choices)
    if shards and not ranks.are_in(found.sources):
        raise UsageError("--shards needs the files of two ranks or more; give a directory of them")
    selection = selection_of(asked, found.sources)
    own = weights_at(weights, shards=shards)
    notes = (*found.notes, *own.notes)
    plan = ShowPlan(found.sources[0], tensor, selection, notes, jobs, path, choices, own.sources, lr, allow_missing)
    return pipeline.show(plan, begin(progress, found.sources, 1))
