"""The command `gradclip report`."""

from typing import Any

import click

import gradclip_cli
from gradclip_cli.cli import ReadingCommand, help_text
from gradclip_cli.cli.config import CONFIG
from gradclip_cli.cli.help import examples
from gradclip_cli.cli.measuring import cache_option, measuring_options, series_options
from gradclip_cli.cli.options import InputOptions, JobOptions, job_options
from gradclip_cli.cli.output import refuse_left_out, warn, warn_of_cached
from gradclip_cli.cli.progress import progress
from gradclip_cli.cli.remote import remote_options, scheduler_option
from gradclip_cli.cli.types import PATH
from gradclip_cli.notes import lines
from gradclip_cli.render.html.drawing import FORMATS
from gradclip_cli.reports.check import NO_GRADIENT, NOT_JUDGED
from gradclip_cli.reports.stats_series import BY, LAYER

_ON_THE_PAGE = (NO_GRADIENT, NOT_JUDGED)
"""Notes that the page says itself, as the screen of `check` does."""


@click.command(
    "report",
    cls=ReadingCommand,
    help=help_text(
        "report",
        "The page is one file that asks the network for nothing. It needs vl-convert-python: pip install 'gradclip-cli[report]'.",
    ),
    epilog=examples(
        "gradclip report sample_data/char_lstm -o report.html --title 'char LSTM'",
        "gradclip report sample_data/dl4j_lstm -o report.html --try ClipL2PerLayer:p90 --static",
        "gradclip report sample_data/char_lstm --figures paper/ --format pdf",
    ),
)
@click.option("-o", "--output", type=PATH, metavar="PAGE", help="Write the page here, to standard output if it is -.")
@click.option("--overwrite", is_flag=True, help="Replace a page and figures that exist.")
@click.option("--title", metavar="TEXT", help="Head the page with this.  [default: the name of the input]")
@click.option("--static", is_flag=True, help="Write a page without any script: pictures that do not move.")
@click.option("--figures", type=PATH, metavar="DIR", help="Write each picture as a file in this directory.")
@click.option("--format", type=click.Choice(FORMATS), help=f"Write figures in this format.  [default: {FORMATS[0]}]")
@click.option("--against", type=PATH, metavar="RUN", help="Show the norms of another run beside those of this one.")
@click.option(
    "--values", is_flag=True, help="Count elements by magnitude, too, and show what narrow dtypes would lose."
)
@click.option(
    "--by",
    type=click.Choice(BY),
    default=LAYER,
    show_default=True,
    metavar="KIND",
    help="Draw rows of maps by layer, block or kind (layers.*.mlp).",
)
@series_options("report")
@measuring_options
@CONFIG
@cache_option
@scheduler_option
@job_options
@remote_options
def command(given: InputOptions, work: JobOptions, **keywords: Any) -> None:
    """Call `gradclip_cli.report` with the same keywords."""
    paths = given.input_paths()
    if keywords["output"] is None and keywords["figures"] is None:
        raise click.UsageError("give -o PAGE, --figures DIR, or both")
    with progress(work.quiet) as watched:
        report = gradclip_cli.report(paths, jobs=work.jobs, progress=watched, **keywords)
    if not work.quiet:
        warn_of_cached(report.stats)
        warn_of_cached(report.against, " of --against")
    warn(lines([note for note in report.notes if note.kind not in _ON_THE_PAGE], work.quiet))
    refuse_left_out(report.failed, watched.dumps)
