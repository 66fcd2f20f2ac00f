"""The commands `gradclip ls` and `gradclip strategies`."""

from typing import Any

import click

import gradclip_cli
from gradclip_cli.cli import Command, ReadingCommand, help_text
from gradclip_cli.cli.help import examples
from gradclip_cli.cli.options import (
    InputOptions,
    files_option,
    input_options,
    pattern_options,
)
from gradclip_cli.cli.output import show
from gradclip_cli.cli.remote import remote_options
from gradclip_cli.cli.viewing import ViewOptions, view_options
from gradclip_cli.render.view import ALL
from gradclip_cli.reports.listing import LsReport, LsScopes, StrategiesReport, StrategyRow
from gradclip_cli.strategies import STRATEGIES


@click.command(
    "ls",
    cls=ReadingCommand,
    help=help_text(
        "ls",
    ),
    epilog=examples(
        "gradclip ls sample_data/char_lstm/step_00001.safetensors",
        "gradclip ls sample_data/char_lstm_hdf5 --step 8 --include '*weight*'",
        "gradclip ls sample_data/dl4j_lstm --json",
    ),
)
@input_options
@files_option
@pattern_options
@view_options(LsReport)
@remote_options
def ls(given: InputOptions, shown: ViewOptions, **keywords: Any) -> None:
    """Call `gradclip_cli.ls` with the same keywords, and show its report."""
    kind = LsReport if {"block", ALL}.isdisjoint(shown.by) else LsScopes
    paths, view = given.input_paths(), shown.view(kind)
    show(kind(*gradclip_cli.ls(paths, **keywords)), view)


@click.command(
    "strategies",
    cls=Command,
    help=help_text(
        "strategies",
    ),
    epilog=examples(
        "gradclip strategies", "gradclip strategies --json", "gradclip strategies -f md --columns name,rule"
    ),
)
@view_options(StrategiesReport)
def strategies(shown: ViewOptions) -> None:
    """Show the registry of strategies, without reading a dump."""
    view = shown.view(StrategiesReport)
    rows = [StrategyRow(s.name, s.aliases, s.group.value, s.rule, s.takes_threshold, s.source) for s in STRATEGIES]
    show(StrategiesReport(rows, []), view)
