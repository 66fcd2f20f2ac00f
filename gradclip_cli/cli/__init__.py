"""The command line: click parses options, `gradclip_cli.api` does the work, and `render` shows its report.

To add a command, add a module here, a line in `COMMANDS` and in `GROUPS`, and one in `_LOADERS`.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import import_module
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from gradclip_cli._version import __version__
from gradclip_cli.cli.help import Explained, Grouped
from gradclip_cli.errors import UsageError
from gradclip_cli.formats import by_suffix, suffixes
from gradclip_cli.formats.sharing import one_call
from gradclip_cli.storage.locations import expect, is_remote
from gradclip_cli.storage.remote.settings import Settings, using
from gradclip_cli.text import did_you_mean, printable

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

COMMANDS = {
    "stats": "Show norms of a dump or of a series, and suggest a threshold.",
    "check": "Find what is wrong with gradients; exit with 1 if anything is.",
    "report": "Write a page that shows norms, thresholds and problems.",
    "show": "Show the tensors of one dump by norm, or the values of one.",
    "diff": "Compare two dumps, or two runs; exit with 1 if they differ.",
    "ls": "List names, layers, shapes and dtypes; read headers only.",
    "apply": "Transform gradients, and print norms before and after.",
    "cache": "Show, or clear, what --cache has kept of dumps.",
    "strategies": "List the strategies, their rules and their sources.",
    "help": "Explain a command, or a topic: dump, exit-codes, rules, topics.",
}

GROUPS = {
    "Look": ("stats", "check", "report", "show", "diff", "ls"),
    "Change": ("apply",),
    "Know": ("cache", "strategies", "help"),
}
"""The commands in the order of the help; each command is in one group."""

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


def _show() -> dict[str, click.Command]:
    from gradclip_cli.cli.show import command

    return {"show": command}


def _check() -> dict[str, click.Command]:
    from gradclip_cli.cli.check import command

    return {"check": command}


def _report() -> dict[str, click.Command]:
    from gradclip_cli.cli.report import command

    return {"report": command}


def _diff() -> dict[str, click.Command]:
    from gradclip_cli.cli.diff import command

    return {"diff": command}


def _listing() -> dict[str, click.Command]:
    from gradclip_cli.cli.listing import ls, strategies

    return {"ls": ls, "strategies": strategies}


def _cache() -> dict[str, click.Command]:
    from gradclip_cli.cli.cache import command

    return {"cache": command}


def _help() -> dict[str, click.Command]:
    from gradclip_cli.cli.topics import command

    return {"help": command}


_LOADERS: Mapping[str, Callable[[], dict[str, click.Command]]] = {
    "apply": _apply,
    "stats": _stats,
    "show": _show,
    "check": _check,
    "report": _report,
    "diff": _diff,
    "ls": _listing,
    "cache": _cache,
    "strategies": _listing,
    "help": _help,
}
"""Functions that import the module of a command on demand, so that start-up does not pay for the others."""


class Commands(Explained, click.Group):
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
            if _is_path(args[0]):
                path = quote(printable(args[0]))
                ctx.fail(f"{path} is a path, and no command; give `gradclip stats {path}`")
            hint = did_you_mean(args[0], COMMANDS, f"commands are {', '.join(COMMANDS)}")
            ctx.fail(f"there is no command {args[0]!r}; {hint}")
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem]":
        """Complete commands, without importing them, and options."""
        from click.shell_completion import CompletionItem

        commands = [CompletionItem(name, help=COMMANDS[name]) for name in COMMANDS if name.startswith(incomplete)]
        return commands + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands by group, without importing them."""
        width = max(map(len, COMMANDS))
        for group, names in GROUPS.items():
            with formatter.section(group):
                formatter.write_dl([(name.ljust(width), COMMANDS[name]) for name in names])

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands, then the few options."""
        self.format_commands(ctx, formatter)
        click.Command.format_options(self, ctx, formatter)


def _is_path(word: str) -> bool:
    """Whether a word that is no command looks like the path of dumps."""
    return os.path.lexists(word) or os.sep in word or ("." in word and word.lower().endswith(suffixes()))


class Command(Grouped):
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
        """Import numpy, which all of them need, and run the command; remote dumps are asked for meanwhile.

        Where modules of ours import it, the stack is so high that CPython maps and unmaps memory for thousands of the calls
        that numpy makes when it is imported; that takes 5 ms and more.
        """
        with one_call(), _asked_early(ctx.params) as files:
            import_module("numpy")
            if files and (format := by_suffix(files[0])) is not None and format.prepare is not None:
                format.prepare()
            return super().invoke(ctx)


@contextmanager
def _asked_early(given: Mapping[str, Any]) -> Iterator[list[str]]:
    """Ask for the heads of the remote dumps among the inputs; what is wrong with any of it is said where they are opened."""
    files = [one for one in given.get("inputs") or () if is_remote(one) and not _NOT_A_FILE.search(one)]
    if not files or given["timeout"] <= 0:
        yield []
        return
    with using(Settings(given["connections"], given["anonymous"], given["timeout"], lean=True)):
        with suppress(UsageError):
            expect(files)
        yield files


_NOT_A_FILE = re.compile(r"[*?\[]|/$")
"""What a URL of several files has in it, or ends with."""


def help_text(name: str, *more: str) -> str:
    """Return the help text of a command: its summary, and more paragraphs."""
    return "\n\n".join([COMMANDS[name], *more])


_EPILOG = "\b\nHow gradients get to disk: gradclip help dump\nExit codes: gradclip help exit-codes"

SETTINGS = {"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "GRADCLIP"}


def _show_all(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    """Print the help with the exit codes and the topics, and end."""
    if not value or ctx.resilient_parsing:
        return
    from gradclip_cli.cli.output import standard_output
    from gradclip_cli.cli.topics import TOPICS

    with standard_output() as stream:
        print(ctx.get_help(), file=stream)
        for head, topic in (("Topics of gradclip help", "topics"), ("Exit codes", "exit-codes")):
            print(f"\n{head}:", TOPICS[topic][1](), sep="\n", file=stream)
    ctx.exit()


@click.group(cls=Commands, context_settings=SETTINGS, epilog=_EPILOG)
@click.option(
    "--help-all",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_all,
    help="Show this, the topics and the exit codes, and exit.",
)
@click.version_option(__version__, "-V", "--version", prog_name="gradclip")
def main() -> None:
    """Inspect and clip saved gradients: safetensors, HDF5 and npz.

    \b
    gradclip stats run/    # which threshold?
    gradclip apply g.safetensors -o out.safetensors -s clip-by-global-norm -t 1
    """  # noqa: D301 (click's sign for a paragraph that is not wrapped)
