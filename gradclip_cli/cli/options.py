"""Options that several commands share, each defined once."""

import os
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from gradclip_cli import formats, render
from gradclip_cli.cli.types import COLUMNS, COUNT, ORDER, PATH, REAL, TENSORS, WHOLE
from gradclip_cli.errors import InputError, UsageError
from gradclip_cli.inputs.selection import VOID_DTYPES, Selection
from gradclip_cli.planning import naming
from gradclip_cli.render import records
from gradclip_cli.render.view import View
from gradclip_cli.storage.streams import STANDARD, check_open, unified
from gradclip_cli.strategies.base import Norm

Command = TypeVar("Command", bound=Callable[..., Any])


def read_list(path: str | None, separator: str = "\n") -> tuple[str, ...]:
    """Read a list of paths from a file, or from standard input where that is `-`; empty lines do not count."""
    if path is None:
        return ()
    if path == STANDARD:
        check_open()
    try:
        with click.open_file(path, "rb") as file:
            text = os.fsdecode(file.read())
    except OSError as error:
        raise InputError((error.strerror or str(error)).lower(), path=path) from error
    return tuple(line for line in text.split(separator) if line)


def stacked(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Return several options as one decorator, shown in this order."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


_patterns = stacked(
    click.option(
        "--include",
        type=TENSORS,
        multiple=True,
        metavar="PATTERN",
        help="Take only tensors whose names match (shell-style; repeatable).",
    ),
    click.option(
        "--exclude",
        type=TENSORS,
        multiple=True,
        metavar="PATTERN",
        help="Leave out tensors whose names match: no norm counts them.",
    ),
)

_grouping = stacked(
    click.option("--group-depth", type=WHOLE, metavar="N", help="Make a layer of the first N components of a name."),
    click.option(
        "--layer-regex", metavar="REGEX", help="Find layer and param by the groups (?P<layer>...) and (?P<param>...)."
    ),
)

_opening = stacked(
    click.option(
        "--input-format",
        type=click.Choice(formats.FORMATS),
        help="Read inputs as this format rather than by their content.",
    ),
    click.option("--void-dtype", type=click.Choice(VOID_DTYPES), help="Take 2-byte elements of no type for bfloat16."),
    click.option("--allow-huge", is_flag=True, help="Read files that declare far more data than they hold."),
)

selecting = stacked(_patterns, _grouping, _opening)
choosing = stacked(_patterns, _opening)
"""The same for commands that know no layers."""

reading = stacked(
    click.argument("inputs", nargs=-1, metavar="INPUT...", type=PATH),
    click.option(
        "--files-from",
        type=PATH,
        metavar="FILE",
        help="Read more inputs from a list, one a line; - is standard input.",
    ),
    click.option(
        "-0", "--null", is_flag=True, help="The list of --files-from is separated by NUL, as of find -print0."
    ),
)

by_rank = click.option(
    "--shards",
    is_flag=True,
    help="Take all inputs of a step for one dump: equal names in them are pieces of one tensor.",
)

norming = stacked(
    click.option("--norm-type", type=REAL, metavar="P", help="Take the P-norm: inf, or 0.1 to 64.  [default: 2]"),
    click.option(
        "--epsilon",
        type=REAL,
        metavar="E",
        help="Add E to a norm before it is compared; PyTorch's is 1e-6.  [default: 0]",
    ),
)

showing = stacked(
    click.option(
        "-f",
        "--format",
        "format",
        type=click.Choice(render.FORMATS),
        default="table",
        show_default=True,
        help="Show the report as.",
    ),
    click.option(
        "--columns", type=COLUMNS, metavar="A,B,...", help="Show these columns in this order, under the names of csv."
    ),
    click.option(
        "--sort", type=ORDER, metavar="COLUMN[:desc]", help="Sort rows: numbers as numbers, what is not one last."
    ),
    click.option("--top", type=COUNT, metavar="N", help="Show the first N rows of each table or scope."),
    click.option("--no-headers", is_flag=True, help="Leave out the headings of csv and tsv."),
    click.option("--no-color", is_flag=True, help="Use no colour; NO_COLOR and TERM=dumb are obeyed too."),
)

working = stacked(
    click.option(
        "-j",
        "--jobs",
        type=COUNT,
        metavar="N",
        help="Work in N threads.  [default: one for each processor]",
    ),
    click.option(
        "-q", "--quiet", is_flag=True, help="Show no progress and no tables of apply, check and diff; errors only."
    ),
)


def taken(given: tuple[str, ...], options: dict[str, Any]) -> tuple[str, ...]:
    """Take the values of `reading` out of a command's options."""
    files_from = options.pop("files_from")
    paths = given + read_list(files_from, "\0" if options.pop("null") else "\n")
    if files_from == STANDARD and STANDARD in (unified(path, 0) for path in paths):
        raise UsageError("--files-from - reads standard input, so - cannot be a dump; a file of that name is ./-")
    return paths


def selection(options: dict[str, Any]) -> Selection:
    """Take the values of `selecting` out of a command's options."""
    return Selection(
        options.pop("include"),
        options.pop("exclude"),
        naming(options.pop("layer_regex", None), options.pop("group_depth", None)),
        options.pop("input_format"),
        options.pop("void_dtype"),
        options.pop("allow_huge"),
    )


def norm(options: dict[str, Any]) -> Norm | None:
    """Take the values of `norming` out of a command's options; None where neither was given."""
    return Norm.asked(options.pop("norm_type"), options.pop("epsilon"))


def viewed(options: dict[str, Any], report: type, kinds: Sequence[str] = records.KINDS) -> View:
    """Take the values of `showing` out of a command's options, and check them against the kind of its report."""
    view = View(
        options.pop("format"),
        frozenset(kinds),
        options.pop("columns") or (),
        options.pop("sort"),
        options.pop("top"),
        headers=not options.pop("no_headers"),
        color=not options.pop("no_color"),
    )
    view.check(report)
    return view
