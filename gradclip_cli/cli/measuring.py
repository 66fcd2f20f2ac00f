"""The options of `stats` and `report`: what is read, what counts of it, and how thresholds are chosen."""

from collections.abc import Callable

import click

from gradclip_cli.cli import completion
from gradclip_cli.cli.counting import copies_options, unscale_option
from gradclip_cli.cli.help import RUN, combined, grouped
from gradclip_cli.cli.options import (
    Command,
    accumulate_option,
    allow_missing_option,
    along_option,
    column_option,
    files_option,
    input_options,
    keep_going_option,
    log_pattern_options,
    norm_options,
    repeated_option,
    shards_option,
)
from gradclip_cli.cli.types import RULE, WHOLE, Parsed
from gradclip_cli.cli.units import lr_option, unit_options, weights_option
from gradclip_cli.commands.stats.plan import EVERY, Trial
from gradclip_cli.strategies import Strategy
from gradclip_cli.thresholds.rules import SPELLINGS, strategy_called


def _strategy(text: str) -> Strategy | str:
    """Parse the name of a strategy, or the word for all of them."""
    return EVERY if text.strip().lower() == EVERY else strategy_called(text)


def series_options(command: str) -> Callable[[Command], Command]:
    """Return the options of a command about dumps, the strategy, its rule and what is tried."""
    return combined(
        input_options,
        shards_option,
        files_option,
        repeated_option,
        accumulate_option,
        along_option,
        copies_options,
        click.option(
            "-s",
            "--strategy",
            type=Parsed("strategy", _strategy, completion.strategies),
            metavar="NAME",
            help=f"Suggest a threshold for this strategy; {EVERY} shows those of all.  [default: clip-by-global-norm]",
        ),
        click.option(
            "--rule",
            type=RULE,
            default="mean",
            show_default=True,
            metavar="RULE",
            help=f"Choose a threshold from the norms: {SPELLINGS}.",
        ),
        click.option(
            "--try",
            "tries",
            envvar=f"GRADCLIP_{command.upper()}_TRY",
            type=Parsed("trial", Trial.parse, completion.trials),
            multiple=True,
            metavar="STRATEGY[:THRESHOLD]",
            help="Show what this would do to the dumps (repeatable); the threshold may be a rule, or stand alone.",
        ),
        click.option(
            "--skip-steps", type=WHOLE, default=0, show_default=True, metavar="N", help="Leave out the first N dumps."
        ),
        allow_missing_option,
        keep_going_option,
    )


measuring_options = combined(
    weights_option, lr_option, unit_options, norm_options, unscale_option, log_pattern_options, column_option
)


cache_option = grouped(
    RUN,
    click.option(
        "--cache/--no-cache",
        default=False,
        help="Take the figures of dumps that have not changed since an earlier call from there; see gradclip cache.",
    ),
    rare=True,
)
