"""Lay out help: options in named groups, the rare ones behind --help-all, and examples at the end."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import click

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

ACTION, COUNTED, VIEW = "What to do", "What is counted", "View"
INPUT, NORM, LIMITS, RUN = "Input", "Norm and layers", "Limits", "Run"
GROUPS = (ACTION, COUNTED, VIEW, INPUT, NORM, LIMITS, RUN)
"""The groups of options, in the order of the help; an option that names none belongs to the first."""

_WHOLE = "gradclip_cli.help_all"
_COLUMN = 22
"""The width of the first column of all groups: what is longer has its text on the next line."""


_THRESHOLDS = frozenset(
    (
        *("clip", "clipgrad", "clipgradient", "clipnorm", "clipvalue", "globalclipnorm"),
        *("gradientclipping", "gradientclipval", "maxgradnorm", "maxnorm"),
    )
)
"""What frameworks call a threshold, without `-` and `_`."""


def combined(*options: Callable[[Decorated], Decorated]) -> Callable[[Decorated], Decorated]:
    """Combine options into one decorator; help lists them in this order."""

    def decorate(command: Decorated) -> Decorated:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def grouped(
    group: str, *options: Callable[[Decorated], Decorated], rare: bool = False
) -> Callable[[Decorated], Decorated]:
    """Combine options into one decorator, and put them into a group of the help; `rare` ones only --help-all shows.

    What an option has said of itself before stays.
    """

    def decorate(command: Decorated) -> Decorated:
        before = {id(param) for param in _params(command)}
        command = combined(*options)(command)
        for param in _params(command):
            if id(param) not in before and not hasattr(param, "group"):
                param.__dict__.update(group=group, rare=rare)
        return command

    return decorate


def _params(command: Callable[..., Any]) -> list[click.Parameter]:
    """Return the parameters that decorators have added to a function so far."""
    return list(getattr(command, "__click_params__", ()))


def examples(*lines: str) -> str:
    """Return the epilog of a command: examples that run on the sample dumps as they are."""
    return "\n".join(["\b", *lines])


class Explained(click.Command):
    """A command whose usage errors show its own usage."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the command line; add the context that click omits where an option lacks its value."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if _words(error.option_name) in _THRESHOLDS and any(one.name == "threshold" for one in self.params):
                text = f"No such option '{error.option_name}': the threshold is -t VALUE, as in -t 1."
                raise click.UsageError(text, error.ctx or ctx) from error
            error.ctx = error.ctx or ctx
            raise
        except click.UsageError as error:
            error.ctx = error.ctx or ctx
            raise


class Grouped(Explained):
    """A command whose help has its options in groups, and its examples at the end."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the parameters, with --help and --help-all."""
        params = super().get_params(ctx)
        return [*params, _HELP_ALL] if self._rare(params) else params

    def full_help(self, ctx: click.Context) -> str:
        """Return the help with all options."""
        ctx.meta[_WHOLE] = True
        return self.get_help(ctx)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options by group; without --help-all leave out the rare ones, and say where they are."""
        params = [param for param in self.params if isinstance(param, click.Option)]
        whole = ctx.meta.get(_WHOLE, False)
        for group in GROUPS:
            shown = [one for one in params if _group(one) == group and (whole or not _is_rare(one))]
            records = [
                (name.ljust(_COLUMN), text)
                for one in shown
                for name, text in [one.get_help_record(ctx) or ("", "")]
                if name
            ]
            if records:
                with formatter.section(group):
                    formatter.write_dl(records, col_max=_COLUMN)
        if left := [] if whole else self._rare(params):
            groups = {_group(one) for one in left} - {_group(one) for one in params if not _is_rare(one)}
            what = ", ".join(group for group in GROUPS if group in groups).lower()
            formatter.write_paragraph()
            formatter.write_text(f"More: {ctx.command_path} --help-all" + (f" ({what})" if what else ""))

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        if self.epilog:
            with formatter.section("Examples"):
                formatter.write_text(self.epilog)

    @staticmethod
    def _rare(params: list[Any]) -> list[Any]:
        return [one for one in params if isinstance(one, click.Option) and _is_rare(one) and not one.hidden]


def _words(option: str) -> str:
    return option.replace("-", "").replace("_", "").lower()


def _group(option: click.Option) -> str:
    return getattr(option, "group", ACTION)


def _is_rare(option: click.Option) -> bool:
    return bool(getattr(option, "rare", False))


def _show_all(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    """Print the help with all options, and end."""
    if value and not ctx.resilient_parsing and isinstance(ctx.command, Grouped):
        with suppress(BrokenPipeError):
            click.echo(ctx.command.full_help(ctx), color=ctx.color)
        ctx.exit()


_HELP_ALL = click.Option(
    ["--help-all"],
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_all,
    help="Show all options and exit.",
)
