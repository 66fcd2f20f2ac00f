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
from click.core import ParameterSource

from gradclip_cli import formats, render
from gradclip_cli.cli.help import COUNTED, INPUT, NORM, RUN, VIEW, combined, grouped
from gradclip_cli.cli.types import BY, COLUMNS, COUNT, ORDER, PATH, REAL, STEPS, TENSORS, WHOLE
from gradclip_cli.errors import InputError, UsageError, reason
from gradclip_cli.inputs.choices import ACCUMULATE, REPEATED
from gradclip_cli.inputs.selection import VOID_DTYPES
from gradclip_cli.render.records import KINDS
from gradclip_cli.render.view import Order, View, kinds_of
from gradclip_cli.reports.base import Report
from gradclip_cli.storage.streams import STANDARD, check_open, stream_name

Command = TypeVar("Command", bound=Callable[..., Any])


def _field(declaration: Callable[[Any], Any]) -> Any:
    """Declare a field of a dataclass that an option fills."""
    return field(metadata={"declaration": declaration})


def _filled(kind: type[Any], name: str) -> Callable[[Command], Command]:
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

    inputs: tuple[str, ...] = _field(click.argument("inputs", nargs=-1, metavar="INPUT...", type=PATH))
    files_from: str | None = _field(
        click.option(
            "--files-from",
            type=PATH,
            metavar="FILE",
            help="Read more inputs from a list, one a line; - is standard input.",
        )
    )
    null: bool = _field(
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
class ViewOptions:
    """How a report is shown."""

    format: str = _field(
        click.option(
            "-f",
            "--format",
            "format",
            type=click.Choice(render.FORMATS),
            default="table",
            metavar="FORMAT",
            help=f"Show a {', '.join(render.FORMATS[:-1])} or {render.FORMATS[-1]}.",
        )
    )
    json: bool = _field(click.option("--json", is_flag=True, help="Show JSON, as -f json does; so do --csv and --tsv."))
    csv: bool = _field(grouped(VIEW, click.option("--csv", is_flag=True, help="Show csv, as -f csv does."), rare=True))
    tsv: bool = _field(grouped(VIEW, click.option("--tsv", is_flag=True, help="Show tsv, as -f tsv does."), rare=True))
    by: tuple[str, ...] = _field(
        click.option(
            "--by",
            type=BY,
            multiple=True,
            metavar="KIND",
            help=f"Show tables instead of one screen: by {', '.join(KINDS)} or all (repeatable).",
        )
    )
    columns: tuple[str, ...] | None = _field(
        click.option(
            "--columns",
            type=COLUMNS,
            metavar="A,B,...",
            help="Show these columns, by their names in csv.",
        )
    )
    sort: Order | None = _field(
        click.option(
            "--sort", type=ORDER, metavar="COLUMN[:desc]", help="Sort rows by a column; what has no value comes last."
        )
    )
    top: int | None = _field(
        click.option("-n", "--top", type=COUNT, metavar="N", help="Show the first N rows of each table.")
    )
    no_headers: bool = _field(
        grouped(
            VIEW, click.option("--no-headers", is_flag=True, help="Leave out the headings of csv and tsv."), rare=True
        )
    )
    no_color: bool = _field(
        grouped(
            VIEW,
            click.option("--no-color", is_flag=True, help="Use no colour, as with NO_COLOR or TERM=dumb."),
            rare=True,
        )
    )

    def view(self, report: type[Report]) -> View:
        """Return the view of a report that the options ask for; raise UsageError where its type lacks a column or a table."""
        view = View(
            self._format(),
            kinds_of(report, self.by),
            self.columns or (),
            self.sort,
            self.top,
            headers=not self.no_headers,
            color=not self.no_color,
            by=bool(self.by),
        )
        view.check(report)
        return view

    def _format(self) -> str:
        """Return the format; raise UsageError where options name two, on the command line or wherever they come from first."""
        context = click.get_current_context()
        asked = {"--format": self.format} | {f"--{name}": name for name in _SHORT if getattr(self, name)}
        sources = {option: context.get_parameter_source(option.lstrip("-")) for option in asked}
        first = next(source for source in _SOURCES if source in sources.values())
        found = {one: option for option, one in asked.items() if sources[option] is first}
        if len(found) > 1:
            raise UsageError(f"{' and '.join(found.values())} exclude each other: a report has one format")
        return next(iter(found))


_SHORT = ("json", "csv", "tsv")
"""The formats that are options of their own."""

_SOURCES = (*(ParameterSource[name] for name in ("COMMANDLINE", "ENVIRONMENT", "DEFAULT_MAP", "DEFAULT")), None)
"""Where options come from, from the one that wins to the last."""


@dataclass(frozen=True)
class JobOptions:
    """How many threads work, and whether progress and tables are shown."""

    jobs: int | None = _field(
        click.option(
            "-j", "--jobs", type=COUNT, metavar="N", help="Work in N threads.  [default: one for each processor]"
        )
    )
    quiet: bool = _field(
        click.option(
            "-q",
            "--quiet",
            is_flag=True,
            help="Show no progress and no tables of apply, check and diff; only errors, and notes that change figures.",
        )
    )


input_options = grouped(INPUT, _filled(InputOptions, "given"), rare=True)
view_options = grouped(VIEW, _filled(ViewOptions, "shown"))
job_options = grouped(RUN, _filled(JobOptions, "work"), rare=True)

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
        "--allow-missing", is_flag=True, help="Take dumps of different tensors: in each, count those that it has."
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

_file_options = grouped(
    INPUT,
    click.option(
        "--input-format",
        type=click.Choice(formats.FORMATS),
        help="Read inputs as this format rather than by their content.",
    ),
    click.option("--void-dtype", type=click.Choice(VOID_DTYPES), help="Take 2-byte elements of no type for bfloat16."),
    click.option("--allow-huge", is_flag=True, help="Read files that declare far more data than they hold."),
    rare=True,
)

pattern_options = combined(steps_option, _name_options, _layer_options, _file_options)
tensor_options = combined(steps_option, _name_options, _file_options)
"""The options of `pattern_options`, but for those about layers."""
