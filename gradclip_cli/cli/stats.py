"""gradclip stats."""

import math
from typing import Any

import click

from gradclip_cli.cli import Command, described
from gradclip_cli.cli.config import CONFIG
from gradclip_cli.cli.options import (
    by_rank,
    norm,
    norming,
    reading,
    selecting,
    selection,
    showing,
    taken,
    viewed,
    working,
)
from gradclip_cli.cli.output import progress, show, standard_output, warn
from gradclip_cli.cli.types import RULE, STRATEGY, TRIAL, WHOLE
from gradclip_cli.commands.stats.plan import StatsPlan
from gradclip_cli.errors import InputError
from gradclip_cli.inputs.discovery import find_dumps
from gradclip_cli.inputs.source import DumpSource
from gradclip_cli.render.records import KINDS
from gradclip_cli.render.view import View
from gradclip_cli.reports import StatsReport
from gradclip_cli.strategies.base import Norm
from gradclip_cli.text import count
from gradclip_cli.thresholds.rules import SPELLINGS


@click.command(
    "stats",
    cls=Command,
    help=described(
        "stats",
        "gradclip stats run/",
        "gradclip stats run/ --try clip-by-global-norm:1 --try clip-l2-per-layer:mad:5",
        'gradclip apply g.npz -o out.npz -s clip-by-norm -t "$(gradclip stats run/ -s clip-by-norm --print-threshold)"',
    ),
)
@reading
@by_rank
@click.option("-s", "--strategy", type=STRATEGY, metavar="NAME", help="Suggest a threshold for this strategy only.")
@click.option(
    "--rule",
    type=RULE,
    default="mean",
    show_default=True,
    metavar="RULE",
    help=f"How a threshold is chosen from the norms: {SPELLINGS}.",
)
@click.option(
    "--try",
    type=TRIAL,
    multiple=True,
    metavar="STRATEGY[:THRESHOLD]",
    help="Show what this would do to the dumps (repeatable); the threshold may be a rule.",
)
@click.option(
    "--skip-steps", type=WHOLE, default=0, show_default=True, metavar="N", help="Leave out the first N dumps."
)
@click.option("--allow-missing", is_flag=True, help="Go on with the tensors that all dumps have in common.")
@click.option(
    "--keep-going", is_flag=True, help="Leave out dumps that cannot be read; the exit code is 3 all the same."
)
@click.option("--print-threshold", is_flag=True, help="Print the suggested threshold and nothing else; needs -s.")
@click.option("--by", type=click.Choice(KINDS), multiple=True, help="Show only these tables (repeatable).")
@norming
@selecting
@CONFIG
@showing
@working
def command(inputs: tuple[str, ...], **options: Any) -> None:
    """Turn options into a plan, run it, and show the report."""
    from gradclip_cli import pipeline

    given, view = taken(inputs, options), viewed(options, StatsReport, options["by"] or KINDS)
    if options["print_threshold"]:
        _check_threshold(options, view)
    found = find_dumps(given, options["shards"])
    plan = _plan(found, options)
    with progress(found, 1, options["quiet"]) as tick:
        report = pipeline.stats(plan, tick)
    if options["print_threshold"]:
        _print_threshold(report, options)
    else:
        show(report, view)
    if report.failed:
        raise InputError(f"{len(report.failed)} of {count(len(found), 'dump')} left out; the first: {report.failed[0]}")


def _plan(inputs: tuple[DumpSource, ...], options: dict[str, Any]) -> StatsPlan:
    return StatsPlan(
        inputs,
        options["strategy"],
        options["rule"],
        norm(options) or Norm(),
        selection(options),
        options["skip_steps"],
        options["allow_missing"],
        options["keep_going"],
        options["jobs"],
        options["try"],
    )


def _check_threshold(options: dict[str, Any], view: View) -> None:
    if options["strategy"] is None:
        raise click.UsageError("--print-threshold needs -s STRATEGY")
    if view.chooses:
        raise click.UsageError("--print-threshold prints no table to choose from")


def _print_threshold(report: StatsReport, options: dict[str, Any]) -> None:
    with standard_output() as stream:
        print(repr(_threshold(report)), file=stream)
    if report.advised and report.advised.doubtful and not options["quiet"]:
        warn([f"{options['rule']} may be no guide here: {report.advised.lines[0]}"])


def _threshold(report: StatsReport) -> float:
    """The one threshold that was suggested."""
    suggestion = report.suggestions[0]
    if suggestion.threshold is None:
        bad = next((dump.input for dump in report.dumps if not math.isfinite(dump.norm)), None)
        raise InputError(
            suggestion.note or "there is no threshold", path=bad if isinstance(bad, str | None) else bad[0]
        )
    return suggestion.threshold
