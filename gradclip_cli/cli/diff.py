"""The command `gradclip diff`."""

from dataclasses import replace
from typing import Any

import click

import gradclip_cli
from gradclip_cli.cli import ReadingCommand, help_text
from gradclip_cli.cli.counting import replicated_option, unscale_option
from gradclip_cli.cli.help import examples
from gradclip_cli.cli.options import (
    JobOptions,
    accumulate_option,
    column_option,
    files_option,
    job_options,
    log_pattern_options,
    repeated_option,
    shards_option,
)
from gradclip_cli.cli.output import show, show_notes
from gradclip_cli.cli.progress import progress
from gradclip_cli.cli.remote import remote_options
from gradclip_cli.cli.types import PATH, REAL
from gradclip_cli.cli.viewing import ViewOptions, view_options
from gradclip_cli.render.view import ALL, View
from gradclip_cli.reports.diff import ON_SCREEN, DiffReport, DiffRuns, DiffScopes


@click.command(
    "diff",
    cls=ReadingCommand,
    help=help_text(
        "diff",
        "Elements are equal if |a-b| <= ATOL + RTOL * |b|, whatever their dtypes; NaN equals NaN, +0 equals -0. "
        "Two directories of several dumps are runs, whose steps are paired by number. "
        "Ratios are those of B to A; rel |a-b| is the norm of a-b over the smaller norm. "
        "Exit code 0 if all tensors are equal, 1 if not.",
    ),
    epilog=examples(
        "gradclip diff sample_data/char_lstm/step_00008.safetensors sample_data/char_lstm/step_00009.safetensors",
        "gradclip diff sample_data/dl4j_lstm/step_00004.npz sample_data/dl4j_lstm/step_00005.npz",
        "gradclip diff sample_data/char_lstm sample_data/char_lstm --step 9 -q && echo equal",
    ),
)
@click.argument("a", type=PATH)
@click.argument("b", type=PATH)
@click.option(
    "--rtol", type=REAL, metavar="RTOL", default=0.0, show_default=True, help="Allow |a-b| of RTOL times |b|."
)
@click.option("--atol", type=REAL, metavar="ATOL", default=0.0, show_default=True, help="Allow |a-b| of ATOL, besides.")
@click.option(
    "--all",
    "whole",
    envvar="GRADCLIP_DIFF_ALL",
    is_flag=True,
    help="Show the tensors that are the same in the table, too.",
)
@shards_option
@files_option
@repeated_option
@accumulate_option
@replicated_option
@unscale_option
@column_option
@log_pattern_options
@view_options(DiffRuns)
@job_options
@remote_options
def command(a: str, b: str, shown: ViewOptions, work: JobOptions, whole: bool, **keywords: Any) -> int:
    """Call `gradclip_cli.diff` with the same keywords, show its report, and return the exit code."""
    _view(shown, whole, DiffRuns)  # what neither of two dumps nor of two runs can be shown is told before they are read
    with progress(work.quiet) as watched:
        report = gradclip_cli.diff(a, b, jobs=work.jobs, progress=watched, **keywords)
    if work.quiet:
        show_notes(report, quiet=True)
    else:
        if type(report) is DiffReport and not {"block", ALL}.isdisjoint(shown.by):
            report = DiffScopes(*report)
        view = _view(shown, whole, type(report))
        show(report, view, shown=ON_SCREEN if view.is_screen else frozenset())
    return 0 if report.equal else 1


def _view(shown: ViewOptions, whole: bool, kind: type[DiffReport]) -> View:
    """Return the view of a kind of report; with `whole`, tables list the tensors that are the same, too."""
    view = shown.view(kind)
    return replace(view, kinds=view.kinds | {ALL}, by=True) if whole else view
