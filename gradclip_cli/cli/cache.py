"""The command `gradclip cache`."""

import click

from gradclip_cli.cli import Command, help_text
from gradclip_cli.cli.help import examples
from gradclip_cli.cli.output import show
from gradclip_cli.cli.viewing import ViewOptions, view_options
from gradclip_cli.errors import OutputError, reason
from gradclip_cli.reports.listing import CacheReport, CacheRow
from gradclip_cli.storage.results_file import ResultsFile, default_path


@click.command(
    "cache",
    cls=Command,
    help=help_text(
        "cache",
        "info says where the file is, and how many results it holds: one for each dump that was asked for, and one for each tensor or "
        "pair of dumps that was read again. clear removes it, and says what that held.",
    ),
    epilog=examples("gradclip cache info", "gradclip cache info --json", "gradclip cache clear"),
)
@click.argument("action", type=click.Choice(["info", "clear"]), metavar="{info|clear}", required=False)
@view_options(CacheReport)
def command(shown: ViewOptions, action: str | None) -> None:
    """Show what the cache of this user holds, and remove it if asked to."""
    if action is None:
        raise click.UsageError("say what to do: info or clear")
    view, file = shown.view(CacheReport), ResultsFile(default_path())
    held = file.contents()
    file.close()
    if action == "clear":
        try:
            file.clear()
        except OSError as error:
            raise OutputError(reason(error), path=file.path) from error
    show(CacheReport([CacheRow(file.path, *held, file.trouble or None)], []), view)
