"""The command `gradclip show`."""

from dataclasses import replace
from typing import Any

import click

import gradclip_cli
from gradclip_cli.cli import ReadingCommand, help_text
from gradclip_cli.cli.counting import copies_options, unscale_option
from gradclip_cli.cli.help import examples
from gradclip_cli.cli.options import (
    JobOptions,
    accumulate_option,
    allow_missing_option,
    files_option,
    job_options,
    pattern_options,
    shards_option,
)
from gradclip_cli.cli.output import show
from gradclip_cli.cli.progress import progress
from gradclip_cli.cli.remote import remote_options
from gradclip_cli.cli.types import PATH, TENSORS
from gradclip_cli.cli.units import lr_option, weights_option
from gradclip_cli.cli.viewing import ViewOptions, view_options
from gradclip_cli.inputs.patterns import is_literal
from gradclip_cli.render.view import View
from gradclip_cli.reports.show import ShowReport


@click.command(
    "show",
    cls=ReadingCommand,
    help=help_text(
        "show",
        "With one TENSOR: a histogram of |g|, percentiles, the extremes and the first NaN with their indices, and what "
        "float16, bfloat16 and float8 would lose. A pattern that matches several tensors lists them.",
    ),
    epilog=examples(
        "gradclip show sample_data/char_lstm --step 9",
        "gradclip show sample_data/char_lstm --step 9 lstm.weight_hh_l0",
        "gradclip show sample_data/dl4j_lstm/step_00005.npz '*W' --by param --sort rms:desc",
    ),
)
@click.argument("dump", type=PATH)
@click.argument("tensor", type=TENSORS, required=False)
@shards_option
@files_option
@accumulate_option
@copies_options
@weights_option
@allow_missing_option
@lr_option
@unscale_option
@pattern_options
@view_options(ShowReport)
@job_options
@remote_options
def command(dump: str, tensor: str | None, shown: ViewOptions, work: JobOptions, **keywords: Any) -> None:
    """Call `gradclip_cli.show` with the same keywords, and show its report."""
    view = _view(tensor, shown)
    with progress(work.quiet) as watched:
        report = gradclip_cli.show(dump, tensor, jobs=work.jobs, progress=watched, **keywords)
    show(report, view, quiet=work.quiet)


def _view(tensor: str | None, shown: ViewOptions) -> View:
    """Return the view that the options ask for: rows are the bins of one tensor, and else the blocks and tensors."""
    if tensor is None and "bin" in shown.by:
        raise click.UsageError("--by bin shows the values of one tensor; name it after the dump")
    if shown.by or shown.chosen_format() == "table":
        return shown.view(ShowReport)
    named = tensor is not None and is_literal(tensor)
    return replace(shown, by=("bin",) if named else ("total", "block", "param")).view(ShowReport)
