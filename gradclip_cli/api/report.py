"""The function `report`: read a run once, and write all of it as a page to look at, or as figures."""

import os
from collections.abc import Mapping, Sequence
from inspect import Parameter, signature
from typing import Any, Unpack

from gradclip_cli import pipeline
from gradclip_cli.api.arguments import Path, Paths, Progress, begin, checked, paths_of
from gradclip_cli.api.stats import stats
from gradclip_cli.api.stats_plan import StatsKeywords, stats_plan
from gradclip_cli.api.stores import StoreKeywords, asks_stores
from gradclip_cli.commands.report.plan import ReportPlan, Wanted
from gradclip_cli.commands.stats.plan import StatsPlan
from gradclip_cli.inputs.norm_logs.finding import find_logs, logs_beside, refuse_column, refuse_options
from gradclip_cli.inputs.wanted_steps import refuse_slices
from gradclip_cli.render.html.drawing import check_library
from gradclip_cli.reports.run import RunReport
from gradclip_cli.reports.stats_series import LAYER
from gradclip_cli.storage.location_names import absolute, without_query
from gradclip_cli.storage.location_names import given as location
from gradclip_cli.storage.streams import STANDARD, stream_name
from gradclip_cli.strategies import Group

_OF_STATS = {
    name: one
    for name, one in signature(stats).parameters.items()
    if name in StatsKeywords.__annotations__ and name not in StoreKeywords.__annotations__
}

_OF_WEIGHTS = ("weights", "lr", "unit_axis", "min_weight_norm")
"""The keywords about the weights of a run."""


@checked
@asks_stores
def report(
    inputs: Paths,
    output: Path | None = None,
    *,
    title: str | None = None,
    static: bool = False,
    figures: Path | None = None,
    format: str | None = None,
    against: Path | None = None,
    values: bool = False,
    by: str = LAYER,
    overwrite: bool = False,
    progress: Progress | None = None,
    **keywords: Unpack[StatsKeywords],
) -> RunReport:
    """Read one dump, a series or logs of norms once, and return what `stats` and `check` say of it.

    `output` is written as one HTML file that needs no network, without any script where it is to be `static`; `figures` is a
    directory for each picture as a file, in the `format` svg, png or pdf. Both need vl-convert-python. `title` is the path without
    its directories by default. `against` is another run, a log or dumps, that is read with the same keywords; `values` counts
    elements by magnitude. `by` says what the rows of maps are: a layer, a block or a kind of module. The other keywords are those of
    `stats`; `check` goes by its default limits. Raises `GradclipError`.
    """
    asked: dict[str, Any] = {**{name: one.default for name, one in _OF_STATS.items()}, **keywords}
    wanted = Wanted(_path(output), static, _path(figures), format, overwrite)
    refuse_slices(asked["steps"], asked["along"])
    if not wanted.nothing:
        check_library()
    paths, other = paths_of(inputs), _path(against)
    own, second = _logs(paths, other, asked)
    stats = stats_plan(paths, own, asked)
    plan = ReportPlan(
        stats,
        _title(paths) if title is None else title,
        None if other is None else stats_plan([other], second, _of_other(stats, asked)),
        values,
        wanted,
        by,
    )
    return pipeline.report(plan, begin(progress, plan.sources, 2 if plan.stats.rereads else 1), asked["scheduler"])


_own = signature(report)
report.__signature__ = _own.replace(  # type: ignore[attr-defined]
    parameters=[one for one in _own.parameters.values() if one.kind is not Parameter.VAR_KEYWORD]
    + [*_OF_STATS.values()]
)  # so that help() and documentation list what mypy reads from `StatsKeywords`


def _of_other(own: StatsPlan, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keywords for the run that another is held against.

    Nothing is tried on it, and weights are not its own: it has none, unless the strategy at hand needs some.
    """
    of_units = own.strategy is not None and own.strategy.group is Group.UNIT
    left = ("tries",) if of_units else ("tries", *_OF_WEIGHTS)
    return {**asked, **{name: _OF_STATS[name].default for name in left}}


def _path(path: Path | None) -> str | None:
    return None if path is None else location(path)


def _logs(paths: Sequence[str], other: str | None, asked: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Return the logs of the run and of the other one; raise UsageError for an option that means nothing for them."""
    form, column = asked["input_format"], asked["column"]
    own, second = find_logs(paths, form, column), [] if other is None else logs_beside(other, form, column)
    if own or second:
        refuse_options((own or second)[0], asked, both=bool(own) and (bool(second) or other is None))
    else:
        refuse_column(column)
    return own, second


def _title(paths: Sequence[str]) -> str:
    """Return the name of the run: that of its file or folder, whatever lies above it."""
    names = [
        "standard input"
        if stream_name(path, 0) == STANDARD
        else os.path.basename(absolute(without_query(path))) or path
        for path in paths[:1]
    ]
    more = f" and {len(paths) - 1:,} more" if len(paths) > 1 else ""
    return "".join(names) + more
