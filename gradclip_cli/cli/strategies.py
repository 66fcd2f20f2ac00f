"""gradclip strategies."""

import click

from gradclip_cli.cli.output import show
from gradclip_cli.options import showing
from gradclip_cli.report import StrategiesReport, StrategyRow
from gradclip_cli.strategies import STRATEGIES


@click.command("strategies")
@showing
def command(format: str, no_color: bool) -> None:
    """List the strategies, their rules and their sources.

    \b
    gradclip strategies
    gradclip strategies -f json
    """
    rows = [StrategyRow(s.name, s.aliases, s.group.value, s.rule, s.takes_threshold, s.source) for s in STRATEGIES]
    show(StrategiesReport(rows, []), format, no_color)
