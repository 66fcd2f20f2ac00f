"""gradclip strategies."""

from typing import Any

import click

from gradclip_cli.cli import Command, described
from gradclip_cli.cli.options import showing, viewed
from gradclip_cli.cli.output import show
from gradclip_cli.reports import StrategiesReport, StrategyRow
from gradclip_cli.strategies import STRATEGIES


@click.command(
    "strategies",
    cls=Command,
    help=described(
        "strategies",
        "gradclip strategies",
        "gradclip strategies -f json",
    ),
)
@showing
def command(**options: Any) -> None:
    """Turn options into a plan, run it, and show the report."""
    view = viewed(options, StrategiesReport)
    rows = [StrategyRow(s.name, s.aliases, s.group.value, s.rule, s.takes_threshold, s.source) for s in STRATEGIES]
    show(StrategiesReport(rows, []), view)
