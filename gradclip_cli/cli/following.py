"""`gradclip stats --follow`: show what is new of a run that goes on, until the user ends it."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import click
from click.core import ParameterSource

from gradclip_cli.cli.help import RUN, grouped
from gradclip_cli.cli.options import filled, option_field
from gradclip_cli.cli.output import warn
from gradclip_cli.cli.types import REAL, WHOLE
from gradclip_cli.render.view import View
from gradclip_cli.storage.interrupts import deferred, end_well

_FORMATS = ("table", "ndjson")
"""The formats that new dumps can be appended in."""

_MEANINGLESS = ("tries", "steps", "along", "print_threshold", "paste", "by", "columns", "sort", "top")
"""The options that say what `--follow` does not show, or take apart what it looks at as a whole."""


@dataclass(frozen=True)
class FollowOptions:
    """Whether a run is followed, how often it is looked at, and when that ends."""

    follow: bool = option_field(
        click.option(
            "--follow",
            is_flag=True,
            help="Go on with dumps that are yet to come, a line each, until Ctrl-C is pressed.",
        )
    )
    interval: float = option_field(
        click.option(
            "--interval", type=REAL, default=10.0, show_default=True, metavar="S", help="Look every S seconds."
        )
    )
    until_step: int | None = option_field(
        click.option("--until-step", type=WHOLE, metavar="N", help="End once step N, or a later one, is there.")
    )

    def check(self, view: View) -> None:
        """Raise click.UsageError for options that need `--follow`, or that make no sense with it."""
        given = click.get_current_context()
        chosen = [name for name, source in _sources(given).items() if source is ParameterSource.COMMANDLINE]
        if not self.follow:
            if lost := [name for name in ("interval", "until_step") if name in chosen]:
                raise click.UsageError(f"{_option(lost[0])} needs --follow")
            return
        if view.format not in _FORMATS:
            raise click.UsageError(f"--follow writes lines as they come: a table or ndjson, not {view.format}")
        for name in _MEANINGLESS:
            value = given.params[name]
            if value is not None and value is not False and value != ():
                raise click.UsageError(f"--follow and {_option(name)} exclude each other")


follow_options = grouped(RUN, filled(FollowOptions, "following"), rare=True)


def show_followed(paths: tuple[str, ...], options: FollowOptions, view: View, asked: Mapping[str, Any]) -> None:
    """Show new dumps and events until the user or a step ends it; each line is whole when it does."""
    from gradclip_cli.api.follow import follow  # with numpy, which help need not wait for
    from gradclip_cli.render.following import write, write_json

    end_well()
    chosen = click.get_current_context().get_parameter_source("rule") is not ParameterSource.DEFAULT
    show, begun = (write if view.format == _FORMATS[0] else write_json), False
    for found in follow(paths, asked, options.interval, options.until_step, chosen=chosen):
        with deferred():
            warn(found.warnings)
            show(found.report, found.dumps, found.events, sys.stdout, first=not begun)
            sys.stdout.flush()  # a reader that has left ends the program, too
        begun = begun or bool(found.dumps)


def _sources(context: click.Context) -> dict[str, ParameterSource | None]:
    return {name: context.get_parameter_source(name) for name in ("interval", "until_step")}


def _option(name: str) -> str:
    return "--" + {"tries": "try"}.get(name, name).replace("_", "-")
