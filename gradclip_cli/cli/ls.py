"""gradclip ls."""

from typing import Any

import click

from gradclip_cli.cli import Command, described
from gradclip_cli.cli.options import reading, selecting, selection, showing, taken, viewed
from gradclip_cli.cli.output import show
from gradclip_cli.plan.lists import LsPlan
from gradclip_cli.planning import dumps_in
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

    given, view = taken(inputs, options), viewed(options, LsReport)
    show(pipeline.ls(LsPlan(dumps_in(given), selection(options))), view)
