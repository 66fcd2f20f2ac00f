"""gradclip ls."""

from typing import Any

import click

from gradclip_cli.cli import Command, described
from gradclip_cli.cli.options import reading, selecting, selection, showing, taken, viewed
from gradclip_cli.cli.output import show
from gradclip_cli.inputs.discovery import find_dumps
from gradclip_cli.reports import LsReport


@click.command(
    "ls",
    cls=Command,
    help=described(
        "ls",
        "gradclip ls g.safetensors",
        "gradclip ls steps/*.npz -f json",
    ),
)
@reading
@selecting
@showing
def command(inputs: tuple[str, ...], **options: Any) -> None:
    """Turn options into a plan, run it, and show the report."""
    from gradclip_cli import pipeline
    from gradclip_cli.commands.ls import LsPlan

    given, view = taken(inputs, options), viewed(options, LsReport)
    show(pipeline.ls(LsPlan(find_dumps(given), selection(options))), view)
