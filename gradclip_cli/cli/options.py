"""Options that several commands share, each defined once.

Options that only the command line knows are fields of frozen dataclasses, each filled by a decorator. The others are keywords
of the functions in `gradclip_cli.api`, under the same names, and commands pass them on unchanged.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import wraps
from typing import Any, TypeVar

import click

from gradclip_cli import formats
from gradclip_cli.cli.help import COUNTED, INPUT, NORM, RUN, combined, grouped
from gradclip_cli.cli.types import COUNT, LOCAL_PATH, PATH, REAL, STEPS, TENSORS, WHOLE
from gradclip_cli.errors import InputError, UsageError, reason
from gradclip_cli.inputs.choices import ACCUMULATE, REPEATED
from gradclip_cli.inputs.norm_logs.base import LOG
from gradclip_cli.inputs.selection import VOID_DTYPES
from gradclip_cli.storage.streams import STANDARD, check_open, stream_name

Command = TypeVar("Command", bound=Callable[..., Any])


def option_field(declaration: Callable[[Any], Any]) -> Any:
    """Declare a field of a dataclass that an option fills."""
    return field(metadata={"declaration": declaration})


def filled(kind: type[Any], name: str) -> Callable[[Command], Command]:
    """Return a decorator that adds the options of a dataclass to a command, and passes them as one value under `name`."""
    names = [one.name for one in fields(kind)]

    def decorate(command: Command) -> Command:
        @wraps(command)
        def gathered(**options: Any) -> Any:
            value = kind(**{one: options.pop(one) for one in names})
            return command(**{name: value}, **options)

        declared: Command = combined(*(one.metadata["declaration"] for one in fields(kind)))(gathered)
        return declared

    return decorate


@dataclass(frozen=True)
class InputOptions:
    """Which dumps are read."""

    inputs: tuple[str, ...] = option_field(click.argument("inputs", nargs=-1, metavar="INPUT...", type=PATH))
    files_from: str | None = option_field(
        click.option(
            "--files-from",
            type=LOCAL_PATH,
            metavar="FILE",
            help="Read more inputs from a list, one a line; - is standard input.",
        )
    )
    null: bool = option_field(
        click.option(
            "-0", "--null", is_flag=True, help="Split the list of --files-from at NUL, as find -print0 writes it."
        )
    )

    def input_paths(self) -> tuple[str, ...]:
        """Return the paths on the command line, then those of the list; raise UsageError where both are standard input."""
        paths = self.inputs + _read_list(self.files_from, "\0" if self.null else "\n")
        if self.files_from == STANDARD and STANDARD in (stream_name(path, 0) for path in paths):
            raise UsageError("--files-from - reads standard input, so - cannot be a dump; a file of that name is ./-")
        return paths


def _read_list(path: str | None, separator: str) -> tuple[str, ...]:
    """Read a list of paths from a file, or from standard input where `path` is `-`; skip empty lines."""
    if path is None:
        return ()
    if path == STANDARD:
        check_open()
    try:
        with click.open_file(path, "rb") as file:
            text = os.fsdecode(file.read())
    except OSError as error:
        raise InputError(reason(error), path=path) from error
    return tuple(line for line in text.split(separator) if line)


@dataclass(frozen=True)
class JobOptions:
    """How many processors work, and whether progress and tables are shown."""

    jobs: int | None = option_field(
        click.option(
            "-j", "--jobs", type=COUNT, metavar="N", help="Work on at most N processors at a time.  [default: all]"
        )
    )
    quiet: bool = option_field(
        click.option(
            "-q",
            "--quiet",
            is_flag=True,
            help="Show no progress and no tables of apply, check and diff; only errors, and notes that change figures.",
        )
    )


input_options = grouped(INPUT, filled(InputOptions, "given"), rare=True)
job_options = grouped(RUN, filled(JobOptions, "work"), rare=True)

steps_option = grouped(
    COUNTED,
    click.option(
        "--steps",
        "--step",
        type=STEPS,
        metavar="STEPS",
        help="Take only these steps: 41, 40:45 (both ends in), 40:, :45, or several, as 0:8,41.",
    ),
)

shards_option = grouped(
    INPUT,
    click.option(
        "--shards",
        is_flag=True,
        help="Take all inputs of a step for one dump: equal names in them are pieces of one tensor.",
    ),
    rare=True,
)

files_option = grouped(
    INPUT,
    click.option(
        "--files",
        multiple=True,
        metavar="PATTERN",
        help="Take only files whose names match, in directories and of those given (repeatable).",
    ),
    rare=True,
)

repeated_option = grouped(
    INPUT,
    click.option(
        "--repeated",
        type=click.Choice(REPEATED),
        help="Choose among the dumps of a step that several folders hold.  [default: last]",
    ),
    rare=True,
)

accumulate_option = grouped(
    INPUT,
    click.option(
        "--accumulate",
        type=click.Choice(ACCUMULATE),
        help="Take all inputs of a step in a folder for micro-batches of one dump: their mean or their sum.",
    ),
    rare=True,
)

along_option = grouped(
    INPUT,
    click.option(
        "--along",
        type=WHOLE,
        metavar="0",
        help="Take each slice along axis 0 for a dump: of a log that grows, or of gradients of each sample.",
    ),
    rare=True,
)

allow_missing_option = grouped(
    INPUT,
    click.option(
        "--allow-missing",
        is_flag=True,
        help="Take dumps of different tensors, and gradients without weights: count what is there.",
    ),
    rare=True,
)

keep_going_option = grouped(
    INPUT,
    click.option(
        "--keep-going", is_flag=True, help="Leave out dumps that cannot be read; the exit code is 3 all the same."
    ),
    rare=True,
)

norm_options = grouped(
    NORM,
    click.option("--norm-type", type=REAL, metavar="P", help="Take the P-norm: inf, or 0.1 to 64.  [default: 2]"),
    click.option(
        "--epsilon",
        type=REAL,
        metavar="E",
        help="Add E to a norm before it is compared; PyTorch's is 1e-6.  [default: 0]",
    ),
    rare=True,
)

_name_options = grouped(
    COUNTED,
    click.option(
        "--include",
        type=TENSORS,
        multiple=True,
        metavar="PATTERN",
        help="Take only tensors whose names match (repeatable).",
    ),
    click.option(
        "--exclude",
        type=TENSORS,
        multiple=True,
        metavar="PATTERN",
        help="Leave out tensors whose names match (repeatable).",
    ),
)

_layer_options = grouped(
    NORM,
    click.option("--group-depth", type=WHOLE, metavar="N", help="Make a layer of the first N components of a name."),
    click.option(
        "--layer-regex", metavar="REGEX", help="Find layer and param by the groups (?P<layer>...) and (?P<param>...)."
    ),
    rare=True,
)


def _file_options(names: tuple[str, ...]) -> Callable[[Command], Command]:
    """Return the options about files, whose formats may be called by these names."""
    return grouped(
        INPUT,
        click.option(
            "--input-format",
            type=click.Choice(names),
            help="Read inputs as this format rather than by their content.",
        ),
        click.option(
            "--void-dtype", type=click.Choice(VOID_DTYPES), help="Take 2-byte elements of no type for bfloat16."
        ),
        click.option("--allow-huge", is_flag=True, help="Read files that declare far more data than they hold."),
        rare=True,
    )


pattern_options = combined(steps_option, _name_options, _layer_options, _file_options(formats.FORMATS))
log_pattern_options = combined(steps_option, _name_options, _layer_options, _file_options((*formats.FORMATS, LOG)))

column_option = grouped(
    INPUT,
    click.option(
        "--column",
        metavar="NAME",
        help="Take this column of a log, or in text the number behind this word, for the norm.",
    ),
    rare=True,
)
