"""The command `gradclip stats`."""

import math
from typing import Any

import click
from click.core import ParameterSource

import gradclip_cli
from gradclip_cli.cli import ReadingCommand, help_text
from gradclip_cli.cli.config import CONFIG
from gradclip_cli.cli.following import FollowOptions, follow_options, show_followed
from gradclip_cli.cli.help import examples
from gradclip_cli.cli.measuring import cache_option, measuring_options, series_options
from gradclip_cli.cli.options import (
    InputOptions,
    JobOptions,
    job_options,
)
from gradclip_cli.cli.output import refuse_left_out, show, show_notes, standard_output, warn, warn_of_cached
from gradclip_cli.cli.progress import progress
from gradclip_cli.cli.remote import remote_options, scheduler_option
from gradclip_cli.cli.viewing import ViewOptions, view_options
from gradclip_cli.commands.stats.plan import EVERY
from gradclip_cli.errors import InputError
from gradclip_cli.render.paste import FRAMEWORKS, pasted
from gradclip_cli.render.view import View
from gradclip_cli.reports.stats import StatsReport
from gradclip_cli.reports.stats_thresholds import Suggestion
from gradclip_cli.strategies import Strategy, find
from gradclip_cli.strategies.builtin import GLOBAL
from gradclip_cli.text import plural, real
from gradclip_cli.thresholds.adaptive import AdaptiveRule
from gradclip_cli.thresholds.base import MIN_STEPS
from gradclip_cli.thresholds.rules import Chooser, parse_rule


class StatsCommand(ReadingCommand):
    """A command that says how a threshold is tried to those who give it as to `apply`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse options; name `--try` in place of `-t` and its like."""
        given = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if error.option_name not in _THRESHOLDS:
                raise
            after = " ".join(given).partition(error.option_name)[2].lstrip(" =").split()
            value = after[0] if after and real(after[0]) is not None else "X"
            hint = f"to see what a threshold would do, give --try {GLOBAL.name}:{value}"
            raise click.UsageError(f"stats has no option {error.option_name}; {hint}", ctx) from error


_THRESHOLDS = ("-t", "--threshold", "--max-norm")
"""What people give a threshold by."""


@click.command(
    "stats",
    cls=StatsCommand,
    help=help_text(
        "stats",
    ),
    epilog=examples(
        "gradclip stats sample_data/char_lstm",
        "gradclip stats sample_data/char_lstm --try clip_grad_norm_:1 --try ClipL2PerLayer:p90",
        "gradclip stats sample_data/dl4j_lstm -s clip-by-norm --rule p90 --print-threshold",
    ),
)
@series_options("stats")
@click.option("--print-threshold", is_flag=True, help="Print the suggested threshold and nothing else; needs -s.")
@click.option(
    "--paste",
    type=click.Choice(tuple(FRAMEWORKS)),
    help="Print only what clips at the advised threshold, or at that of --rule, in the code of a framework.",
)
@measuring_options
@CONFIG
@follow_options
@view_options(StatsReport)
@cache_option
@scheduler_option
@job_options
@remote_options
def command(
    given: InputOptions,
    shown: ViewOptions,
    work: JobOptions,
    following: FollowOptions,
    strategy: Strategy | str | None,
    rule: Chooser,
    print_threshold: bool,
    paste: str | None,
    **keywords: Any,
) -> None:
    """Call `gradclip_cli.stats` with the same keywords, and show its report or, if asked for, only the threshold."""
    paths, view = given.input_paths(), shown.view(StatsReport)
    following.check(view)
    if following.follow:
        show_followed(paths, following, view, {**keywords, "strategy": strategy, "rule": rule, "jobs": work.jobs})
        return
    if print_threshold and paste:
        raise click.UsageError("--print-threshold and --paste exclude each other")
    if print_threshold or paste:
        _check_threshold("--print-threshold" if print_threshold else "--paste", strategy, view, paste)
    with progress(work.quiet) as watched:
        report = gradclip_cli.stats(paths, strategy=strategy, rule=rule, jobs=work.jobs, progress=watched, **keywords)
    if paste:
        show_notes(report, quiet=True)
        _paste(report, paste)
    elif print_threshold:
        show_notes(report, quiet=True)
        _print_threshold(report, rule, work.quiet)
    else:
        if view.format == "table" and not work.quiet:
            warn_of_cached(report)
        asked = view.kinds if view.by else frozenset[str]()
        show(report.for_json(asked) if view.format == "json" else report, view, quiet=work.quiet)
    refuse_left_out(report.failed, watched.dumps)


def _check_threshold(option: str, strategy: Strategy | str | None, view: View, paste: str | None) -> None:
    if strategy == EVERY or (strategy is None and not paste):
        raise click.UsageError(f"{option} needs -s STRATEGY" if strategy is None else f"{option} needs one strategy")
    if view.chooses or view.by:
        raise click.UsageError(f"{option} prints no table to choose from")
    context = click.get_current_context()
    for name in ("tries", *(() if view.format == "table" else ("format", "json", "csv", "tsv"))):
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{option} prints no report; leave out --{'try' if name == 'tries' else name}")


def _paste(report: StatsReport, framework: str) -> None:
    """Print the lines that clip at the threshold of --rule where the user gave one, else at the advised one."""
    asked = click.get_current_context().get_parameter_source("rule")
    if asked is ParameterSource.DEFAULT:
        advice = report.advice
        name, threshold = (advice.strategy, advice.threshold) if advice else ("", None)
        reason = advice.reason if advice else ""
    else:
        suggestion = next(row for row in report.suggestions if report.advice and row.strategy == report.advice.strategy)
        name, threshold, reason = suggestion.strategy, suggestion.threshold, _without_threshold(suggestion) or ""
    if threshold is None:
        raise InputError(f"{(reason or 'there is no threshold').rstrip('.')}; there is nothing to paste")
    text = pasted(framework, find(name), threshold, report.norm_type, report.min_weight_norm)
    with standard_output() as stream:
        print(text, file=stream)
    if len(report.dumps) < MIN_STEPS:
        warn([f"--paste: {threshold:.4g} is from {plural(len(report.dumps), 'dump')} only, which is few"])


def _print_threshold(report: StatsReport, rule: Chooser, quiet: bool) -> None:
    with standard_output() as stream:
        print(repr(_threshold(report)), file=stream)
    if report.advice and report.advice.doubtful and not quiet:
        warn([f"{rule} may be no guide here: {report.advice.lines[0]}"])


def _without_threshold(suggestion: Suggestion) -> str | None:
    """Say why a rule gives no threshold, if a note does; where it has one for each step, what takes it."""
    rule, note = parse_rule(suggestion.rule), suggestion.note
    if note is None or not isinstance(rule, AdaptiveRule):
        return note
    return f"{rule}: {note.split('; ')[0]}; apply -t {rule} does what the rule says"


def _threshold(report: StatsReport) -> float:
    """Return the one threshold suggested; raise InputError where there is none."""
    suggestion = report.suggestions[0]
    if suggestion.threshold is None:
        bad = next((dump.input for dump in report.dumps if not math.isfinite(dump.norm)), None)
        raise InputError(
            _without_threshold(suggestion) or "there is no threshold",
            path=bad if isinstance(bad, str | None) else bad[0],
        )
    return suggestion.threshold
