"""The command line: one module a command, and one place where errors become a line and an exit code."""

from importlib import import_module
from typing import Any

import click

from gradclip_cli import __version__
from gradclip_cli.errors import UsageError

COMMANDS = ("apply", "stats", "ls", "strategies")


class Commands(click.Group):
    """The group of commands; each module is imported when its command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order in which they are explained."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import a command."""
        if name not in COMMANDS:
            return None
        command: click.Command = import_module(f"{__name__}.{name}").command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; wrong usage is shown with the usage lines of that command."""
        try:
            return super().invoke(ctx)
        except UsageError as error:
            raise click.UsageError(str(error), click.get_current_context(silent=True) or ctx) from error


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, "-V", "--version", prog_name="gradclip")
def main() -> None:
    """Inspect and clip saved gradients: safetensors, HDF5 and npz.

    \b
    gradclip stats run/                                   which threshold?
    gradclip apply g.safetensors -o out.safetensors -s clip-by-global-norm -t 1
    """
