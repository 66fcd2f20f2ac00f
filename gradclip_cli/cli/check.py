"""The command `gradclip check`."""

from collections.abc import Mapping
from dataclasses import Field, fields
from itertools import chain
from typing import Any

import click

import gradclip_cli
from gradclip_cli.checks import BASELINE, NAMES, RATIO, parse_names
from gradclip_cli.checks.limits import DTYPES, Limits
from gradclip_cli.cli import ReadingCommand, completion, help_text
from gradclip_cli.cli.config import CONFIG
from gradclip_cli.cli.counting import copies_options, unscale_option
from gradclip_cli.cli.help import LIMITS, examples, grouped
from gradclip_cli.cli.options import (
    InputOptions,
    JobOptions,
    accumulate_option,
    allow_missing_option,
    along_option,
    column_option,
    files_option,
    input_options,
    job_options,
    keep_going_option,
    log_pattern_options,
    repeated_option,
    shards_option,
)
from gradclip_cli.cli.output import refuse_left_out, show, show_notes
from gradclip_cli.cli.progress import progress
from gradclip_cli.cli.remote import remote_options, scheduler_option
from gradclip_cli.cli.types import PATH, REAL, WHOLE, Parsed
from gradclip_cli.cli.units import weights_option
from gradclip_cli.cli.viewing import ViewOptions, view_options
from gradclip_cli.reports.check import NO_GRADIENT, NOT_JUDGED, CheckReport

RULES = Parsed("rules", lambda text: parse_names([text]), completion.checks)


def _option(limit: "Field[Any]") -> Any:
    """Declare the option of a limit."""
    several, whole = isinstance(limit.default, tuple), isinstance(limit.default, int)
    return click.option(
        "--" + limit.name.replace("_", "-"),
        type=click.Choice(DTYPES) if several else WHOLE if whole else REAL,
        default=limit.default,
        multiple=several,
        show_default=True,
        metavar=None if several else "N" if whole else "X",
        help=limit.metadata["help"],
    )


@click.command(
    "check",
    cls=ReadingCommand,
    help=help_text(
        "check",
        "Rules: " + ", ".join(NAMES) + ".",
    ),
    epilog=examples(
        "gradclip check sample_data/char_lstm",
        "gradclip check sample_data/char_lstm --steps 1:4 --fail-on nonfinite,exploding",
        "gradclip check sample_data/dl4j_lstm --ignore exploding,spread --json",
    ),
)
@input_options
@shards_option
@files_option
@repeated_option
@accumulate_option
@along_option
@copies_options
@click.option("--ignore", type=RULES, multiple=True, metavar="RULE,...", help="Leave out these rules (repeatable).")
@click.option(
    "--fail-on", type=RULES, multiple=True, metavar="RULE,...", help="Exit with 1 for these rules only (repeatable)."
)
@click.option(
    "--baseline", type=PATH, metavar="GOOD", help="Hold the norms of blocks against those of a run that went well."
)
@weights_option
@grouped(LIMITS, *map(_option, fields(Limits)), rare=True)
@allow_missing_option
@keep_going_option
@unscale_option
@column_option
@log_pattern_options
@CONFIG
@view_options(CheckReport)
@scheduler_option
@job_options
@remote_options
def command(
    given: InputOptions,
    shown: ViewOptions,
    work: JobOptions,
    ignore: tuple[tuple[str, ...], ...],
    fail_on: tuple[tuple[str, ...], ...],
    **keywords: Any,
) -> int:
    """Call `gradclip_cli.check` with the same keywords, show its report, and return the exit code."""
    view, paths = shown.view(CheckReport), given.input_paths()
    ignored, failing = set(chain(*ignore)), set(chain(*fail_on))
    if both := sorted(ignored & failing):
        raise click.UsageError(f"--ignore and --fail-on exclude each other: {', '.join(both)}")
    if keywords["baseline"] is None:
        _refuse_without_baseline(failing, keywords["unlike_baseline_spreads"])
    if not keywords["weights"]:
        _refuse_without_weights(failing, keywords)
    with progress(work.quiet) as watched:
        report = gradclip_cli.check(paths, ignore=ignored, jobs=work.jobs, progress=watched, **keywords)
    if report.source is not None and failing and failing.isdisjoint(report.rules):
        raise click.UsageError(
            f"--fail-on {', '.join(sorted(failing))} needs gradients; a log is checked by {', '.join(report.rules)}"
        )
    if work.quiet:
        show_notes(report, quiet=True)
    else:
        told = view.is_screen or (view.format == "table" and not report.findings)
        show(report, view, shown=(NO_GRADIENT, NOT_JUDGED) if told else ())
    refuse_left_out(report.failed, watched.dumps)
    return int(any(not failing or finding.rule in failing for finding in report.findings))


def _refuse_without_weights(failing: set[str], given: Mapping[str, Any]) -> None:
    """Raise UsageError where options that are about ratios would do nothing."""
    if RATIO in failing:
        raise click.UsageError(f"--fail-on {RATIO} needs --weights")
    for name in ("ratio_factor", "ratio_max", "ratio_min"):
        if given[name] != getattr(Limits, name):
            raise click.UsageError(f"--{name.replace('_', '-')} needs --weights")


def _refuse_without_baseline(failing: set[str], spreads: float) -> None:
    """Raise UsageError where options that are about a baseline would do nothing."""
    if BASELINE in failing:
        raise click.UsageError(f"--fail-on {BASELINE} needs a --baseline")
    if spreads != Limits.unlike_baseline_spreads:
        raise click.UsageError("--unlike-baseline-spreads needs a --baseline")
