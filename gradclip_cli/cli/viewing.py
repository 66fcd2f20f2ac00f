"""How a report is shown: the options of all commands that show one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import click
from click.core import ParameterSource

from gradclip_cli import render
from gradclip_cli.cli import completion
from gradclip_cli.cli.help import VIEW, Decorated, grouped
from gradclip_cli.cli.options import filled, option_field
from gradclip_cli.cli.types import COLUMNS, COUNT, ORDER, Parsed
from gradclip_cli.errors import UsageError
from gradclip_cli.render.records import PAIRS
from gradclip_cli.render.view import ALL, Order, View, kinds_of, parse_kinds
from gradclip_cli.reports.base import Report


@dataclass(frozen=True)
class ViewOptions:
    """How a report is shown."""

    format: str = option_field(
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
    json: bool = option_field(
        click.option("--json", is_flag=True, help="Show JSON, as -f json does; so do --csv and --tsv.")
    )
    csv: bool = option_field(
        grouped(VIEW, click.option("--csv", is_flag=True, help="Show csv, as -f csv does."), rare=True)
    )
    tsv: bool = option_field(
        grouped(VIEW, click.option("--tsv", is_flag=True, help="Show tsv, as -f tsv does."), rare=True)
    )
    by: tuple[str, ...] = option_field(
        click.option(
            "--by",
            multiple=True,
            metavar="KIND",
        )
    )
    columns: tuple[str, ...] | None = option_field(
        click.option(
            "--columns",
            type=COLUMNS,
            metavar="A,B,...",
            help="Show these columns, by their names in csv.",
        )
    )
    sort: Order | None = option_field(
        click.option(
            "--sort", type=ORDER, metavar="COLUMN[:desc]", help="Sort rows by a column; what has no value comes last."
        )
    )
    top: int | None = option_field(
        click.option("-n", "--top", type=COUNT, metavar="N", help="Show the first N rows of each table.")
    )
    no_headers: bool = option_field(
        grouped(
            VIEW, click.option("--no-headers", is_flag=True, help="Leave out the headings of csv and tsv."), rare=True
        )
    )
    no_color: bool = option_field(
        grouped(
            VIEW,
            click.option("--no-color", is_flag=True, help="Use no colour, as with NO_COLOR or TERM=dumb."),
            rare=True,
        )
    )

    def view(self, report: type[Report]) -> View:
        """Return the view of a report that the options ask for; raise UsageError where its type lacks a column or a table."""
        view = View(
            self.chosen_format(),
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

    def chosen_format(self) -> str:
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


_view_options = grouped(VIEW, filled(ViewOptions, "shown"))


def view_options(report: type[Report]) -> Callable[[Decorated], Decorated]:
    """Return a decorator that adds the options of how a kind of report is shown; `--by` knows the kinds that it has."""
    singles = [*(kind for kind in report.kinds if kind not in PAIRS), ALL]
    pairs = [kind for kind in report.kinds if kind in PAIRS]

    def decorate(command: Decorated) -> Decorated:
        command = _view_options(command)
        (by,) = (one for one in _options_of(command) if one.name == "by")
        by.type = Parsed("kind", partial(parse_kinds, known=singles), partial(completion.among, singles))
        by.hidden = not report.kinds
        both = f", or by {_either(pairs)} together" if pairs else ""
        by.help = f"Show tables instead of one screen: by {_either(singles)}{both} (repeatable)."
        return command

    return decorate


def _options_of(command: Callable[..., Any]) -> list[click.Option]:
    return [one for one in getattr(command, "__click_params__", ()) if isinstance(one, click.Option)]


def _either(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}" if len(names) > 1 else names[0]
