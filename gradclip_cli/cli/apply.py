"""gradclip apply."""

from typing import Any

import click

import gradclip_cli
from gradclip_cli import formats
from gradclip_cli.cli import Command, described
from gradclip_cli.cli.config import CONFIG, PRINT_CONFIG, as_toml
from gradclip_cli.cli.layers import OVERRIDE
from gradclip_cli.cli.options import (
    InputOptions,
    JobOptions,
    ViewOptions,
    input_options,
    job_options,
    norm_options,
    pattern_options,
    shards_option,
    view_options,
)
from gradclip_cli.cli.output import show, standard_output
from gradclip_cli.cli.progress import progress
from gradclip_cli.cli.types import PATH, STRATEGY, THRESHOLD
from gradclip_cli.commands.apply.plan import NONFINITE, ApplyPlan
from gradclip_cli.inputs.naming import Naming
from gradclip_cli.inputs.selection import Selection
from gradclip_cli.reports.apply import ApplyReport
from gradclip_cli.storage.streams import STANDARD
from gradclip_cli.strategies.base import Norm
from gradclip_cli.thresholds.rules import SPELLINGS


@click.command(
    "apply",
    cls=Command,
    help=described(
        "apply",
        "gradclip apply g.safetensors -o out.safetensors -s clip-by-global-norm -t 1.0",
        "gradclip apply steps/ -o clipped/ -s ClipL2PerLayer -t mean --layer 'decoder=:0.5'",
    ),
)
@input_options
@shards_option
@click.option(
    "-o",
    "--output",
    type=PATH,
    metavar="PATH",
    help="Write here, to standard output if it is -; a directory for several inputs.",
)
@click.option(
    "-s",
    "--strategy",
    type=STRATEGY,
    required=True,
    metavar="NAME",
    help="One of `gradclip strategies`; DL4J's spellings do.",
)
@click.option(
    "-t",
    "--threshold",
    type=THRESHOLD,
    metavar="VALUE",
    help=f"A number above 0, or a rule over these dumps: {SPELLINGS}.",
)
@click.option(
    "--layer",
    "layers",
    envvar="GRADCLIP_APPLY_LAYER",
    type=OVERRIDE,
    multiple=True,
    metavar="PATTERN=[STRATEGY][:THRESHOLD]",
    help="Another strategy or threshold for layers that match; the last match wins.",
)
@norm_options
@click.option(
    "--nonfinite",
    type=click.Choice(NONFINITE),
    default="error",
    show_default=True,
    help="What to do with NaN and infinities.",
)
@click.option("--in-place", is_flag=True, help="Replace the inputs.")
@click.option("--overwrite", is_flag=True, help="Replace an output that exists.")
@click.option("--dry-run", is_flag=True, help="Show the tables and write nothing.")
@pattern_options
@click.option(
    "--output-format",
    type=click.Choice(formats.FORMATS),
    help="Write this format rather than that of the output's suffix.",
)
@CONFIG
@PRINT_CONFIG
@view_options
@job_options
def command(given: InputOptions, shown: ViewOptions, work: JobOptions, print_config: bool, **keywords: Any) -> None:
    """Do what `gradclip_cli.apply` does with the same keywords, and show its report."""
    if print_config:
        _print_config(**keywords)
        return
    paths, view = given.input_paths(), shown.view(ApplyReport)
    with progress(work.quiet) as watched:
        report = gradclip_cli.apply(paths, jobs=work.jobs, progress=watched, **keywords)
    if not work.quiet:
        show(report, view, err=any(dump.output == STANDARD for dump in report.dumps))


def _print_config(
    layer_regex: str | None, group_depth: int | None, norm_type: float | None, epsilon: float | None, **keywords: Any
) -> None:
    """Print the options of this call once a plan for no dumps has shown that they fit together."""
    norm, selection = Norm.asked(norm_type, epsilon), Selection(naming=Naming.parse(layer_regex, group_depth))
    ApplyPlan((), (), keywords["strategy"], keywords["threshold"], keywords["layers"], norm, selection=selection)
    with standard_output() as stream:
        stream.write(as_toml(click.get_current_context()))
