"""The function `ls`: list the tensors of dumps."""

from collections.abc import Iterable
from typing import Unpack

from gradclip_cli import pipeline
from gradclip_cli.api.arguments import Paths, checked, paths_of
from gradclip_cli.api.stores import StoreKeywords, asks_stores
from gradclip_cli.commands.plans import LsPlan
from gradclip_cli.inputs.choices import Choices
from gradclip_cli.inputs.discovery import find_dumps
from gradclip_cli.inputs.naming import Naming
from gradclip_cli.inputs.norm_logs.finding import refuse_logs
from gradclip_cli.inputs.selection import Selection
from gradclip_cli.inputs.wanted_steps import WantedSteps, parse_steps
from gradclip_cli.reports.listing import LsReport


@checked
@asks_stores
def ls(
    inputs: Paths,
    *,
    include: Iterable[str] = (),
    exclude: Iterable[str] = (),
    group_depth: int | None = None,
    layer_regex: str | None = None,
    void_dtype: str | None = None,
    allow_huge: bool = False,
    input_format: str | None = None,
    files: Iterable[str] = (),
    steps: str | int | WantedSteps | None = None,
    **stores: Unpack[StoreKeywords],
) -> LsReport:
    """List the tensors of dumps with their layers, shapes and dtypes, reading headers only. Raises `GradclipError`."""
    choices = Choices(tuple(files), everything=True, steps=parse_steps(steps), whole_files=True)
    refuse_logs(paths_of(inputs), "ls")
    found = find_dumps(paths_of(inputs), choices)
    naming = Naming.parse(layer_regex, group_depth)
    selection = Selection(tuple(include), tuple(exclude), naming, input_format, void_dtype, allow_huge)
    return pipeline.ls(LsPlan(found.sources, selection, found.notes))
