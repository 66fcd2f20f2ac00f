"""The command line: click parses options, `gradclip_cli.api` does the work, and `render` shows its report.

To add a command, add a module here, a line in `COMMANDS` and one in `_LOADERS`.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from gradclip_cli._version import __version__
from gradclip_cli.errors import UsageError
from gradclip_cli.text import did_you_mean

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

COMMANDS = {
    "apply": "Transform gradients, and print norms before and after.",
    "stats": "Show norm statistics of one dump or of a series, and suggest a threshold.",
    "check": "Find what is wrong with gradients; exit with 1 if anything is.",
    "diff": "Compare two dumps tensor by tensor; exit with 1 if they differ.",
    "ls": "List names, layers, shapes and dtypes; only headers are read.",
    "strategies": "List the strategies, their rules and their sources.",
}

EXIT_CODES = {
    0: "done",
    1: "`check` or `diff` found something",
    2: "wrong usage",
    3: "an input is missing, cannot be read, or is not what it claims to be",
    4: "NaN or infinite gradients, refused; see --nonfinite",
    5: "the output cannot be written",
    130: "interrupted",
}


def _apply() -> dict[str, click.Command]:
    from gradclip_cli.cli.apply import command

    return {"apply": command}


def _stats() -> dict[str, click.Command]:
    from gradclip_cli.cli.stats import command

    return {"stats": command}


def _check() -> dict[str, click.Command]:
    from gradclip_cli.cli.check import command

    return {"check": command}


def _diff() -> dict[str, click.Command]:
    from gradclip_cli.cli.diff import command

    return {"diff": command}


def _listing() -> dict[str, click.Command]:
    from gradclip_cli.cli.listing import ls, strategies

    return {"ls": ls, "strategies": strategies}


_LOADERS: Mapping[str, Callable[[], dict[str, click.Command]]] = {
    "apply": _apply,
    "stats": _stats,
    "check": _check,
    "diff": _diff,
    "ls": _listing,
    "strategies": _listing,
}
"""Functions that import the module of a command on demand, so that start-up does not pay for the others."""


class _Explained(click.Command):
    """A command whose usage errors show its own usage."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the command line; add the context that click omits where an option lacks its value."""
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            error.ctx = error.ctx or ctx
            raise


class Commands(_Explained, click.Group):
    """The group of commands, each imported when it is first needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands in the order of the help text."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import a command."""
        return _LOADERS[name]()[name] if name in COMMANDS else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command by its name; fail with a suggestion where there is none."""
        if not ctx.resilient_parsing and args[0] not in COMMANDS and args[0][:1] != "-":
            hint = did_you_mean(args[0], COMMANDS, f"commands are {', '.join(COMMANDS)}")
            ctx.fail(f"there is no command {args[0]!r}; {hint}")
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem]":
        """Complete commands, without importing them, and options."""
        from click.shell_completion import CompletionItem

        commands = [CompletionItem(name, help=COMMANDS[name]) for name in COMMANDS if name.startswith(incomplete)]
        return commands + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


class Command(_Explained):
    """A command that shows its usage for a UsageError, too."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; turn a UsageError into one of click."""
        try:
            return super().invoke(ctx)
        except UsageError as error:
            raise click.UsageError(str(error), ctx) from error


class ReadingCommand(Command):
    """A command that reads dumps."""

    def invoke(self, ctx: click.Context) -> Any:
        """Import numpy, which all of them need, and run the command.

        Where modules of ours import it, the stack is so high that CPython maps and unmaps memory for thousands of the calls
        that numpy makes when it is imported; that takes 5 ms and more.
        """
        import_module("numpy")
        return super().invoke(ctx)


def help_text(name: str, *examples: str) -> str:
    """Return the help text of a command: its summary, and examples that run as they are."""
    return "\n".join([COMMANDS[name], "", "\b", *examples])


_EPILOG = "\b\nExit codes:\n" + "\n".join(f"{code:>5}  {meaning}" for code, meaning in EXIT_CODES.items())

SETTINGS = {"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "GRADCLIP"}


@click.group(cls=Commands, context_settings=SETTINGS, epilog=_EPILOG)
@click.version_option(__version__, "-V", "--version", prog_name="gradclip")
def main() -> None:
    """Inspect and clip saved gradients: safetensors, HDF5 and npz.

    \b
    gradclip stats run/    # which threshold?
    gradclip apply g.safetensors -o out.safetensors -s clip-by-global-norm -t 1
    """  # noqa: D301 (click's sign for a paragraph that is not wrapped)
