"""The command `gradclip stats`."""

import math
from typing import Any

import click

import gradclip_cli
from gradclip_cli.cli import ReadingCommand, completion, help_text
from gradclip_cli.cli.config import CONFIG
from gradclip_cli.cli.counting import copies_options, unscale_option
from gradclip_cli.cli.options import (
    InputOptions,
    JobOptions,
    ViewOptions,
    accumulate_option,
    allow_missing_option,
    along_option,
    files_option,
    input_options,
    job_options,
    keep_going_option,
    norm_options,
    pattern_options,
    repeated_option,
    shards_option,
    view_options,
)
from gradclip_cli.cli.output import refuse_left_out, show, show_notes, standard_output, warn
from gradclip_cli.cli.progress import progress
from gradclip_cli.cli.types import RULE, STRATEGY, WHOLE, Parsed
from gradclip_cli.commands.stats.plan import Trial
from gradclip_cli.errors import InputError
from gradclip_cli.render.view import View
from gradclip_cli.reports.stats import StatsReport
from gradclip_cli.strategies import Strategy
from gradclip_cli.thresholds.adaptive import AdaptiveRule
from gradclip_cli.thresholds.rules import SPELLINGS, Rule


@click.command(
    "stats",
    cls=ReadingCommand,
    help=help_text(
        "stats",
        "gradclip stats run/",
        "gradclip stats run/ --try clip-by-global-norm:1 --try clip-l2-per-layer:mad:5",
        'gradclip apply g.npz -o out.npz -s clip-by-norm -t "$(gradclip stats run/ -s clip-by-norm --print-threshold)"',
    ),
)
@input_options
@shards_option
@files_option
@repeated_option
@accumulate_option
@along_option
@copies_options
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
    "tries",
    envvar="GRADCLIP_STATS_TRY",
    type=Parsed("trial", Trial.parse, completion.trials),
    multiple=True,
    metavar="STRATEGY[:THRESHOLD]",
    help="Show what this would do to the dumps (repeatable); the threshold may be a rule.",
)
@click.option(
    "--skip-steps", type=WHOLE, default=0, show_default=True, metavar="N", help="Leave out the first N dumps."
)
@allow_missing_option
@keep_going_option
@click.option("--print-threshold", is_flag=True, help="Print the suggested threshold and nothing else; needs -s.")
@norm_options
@unscale_option
@pattern_options
@CONFIG
@view_options
@job_options
def command(
    given: InputOptions,
    shown: ViewOptions,
    work: JobOptions,
    strategy: Strategy | None,
    rule: Rule | AdaptiveRule,
    print_threshold: bool,
    **keywords: Any,
) -> None:
    """Call `gradclip_cli.stats` with the same keywords, and show its report or, if asked for, only the threshold."""
    paths, view = given.input_paths(), shown.view(StatsReport)
    if print_threshold:
        _check_threshold(strategy, view)
    with progress(work.quiet) as watched:
        report = gradclip_cli.stats(paths, strategy=strategy, rule=rule, jobs=work.jobs, progress=watched, **keywords)
    if print_threshold:
        show_notes(report, quiet=True)
        _print_threshold(report, rule, work.quiet)
    else:
        show(report, view, quiet=work.quiet)
    refuse_left_out(report.failed, watched.dumps)


def _check_threshold(strategy: Strategy | None, view: View) -> None:
    if strategy is None:
        raise click.UsageError("--print-threshold needs -s STRATEGY")
    if view.chooses:
        raise click.UsageError("--print-threshold prints no table to choose from")


def _print_threshold(report: StatsReport, rule: Rule | AdaptiveRule, quiet: bool) -> None:
    with standard_output() as stream:
        print(repr(_threshold(report)), file=stream)
    if report.advice and report.advice.doubtful and not quiet:
        warn([f"{rule} may be no guide here: {report.advice.lines[0]}"])


def _threshold(report: StatsReport) -> float:
    """Return the one threshold suggested; raise InputError where there is none."""
    suggestion = report.suggestions[0]
    if suggestion.threshold is None:
        bad = next((dump.input for dump in report.dumps if not math.isfinite(dump.norm)), None)
        raise InputError(
            suggestion.note or "there is no threshold", path=bad if isinstance(bad, str | None) else bad[0]
        )
    return suggestion.threshold
