"""gradclip apply."""

from typing import Any

import click

from gradclip_cli import formats
from gradclip_cli.cli import Command, described
from gradclip_cli.cli.config import CONFIG, PRINT_CONFIG
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
from gradclip_cli.cli.output import progress, show, standard_output
from gradclip_cli.cli.override import OVERRIDE
from gradclip_cli.cli.toml import written
from gradclip_cli.cli.types import PATH, STRATEGY, THRESHOLD
from gradclip_cli.commands.apply.outputs import into_folder, outputs_for
from gradclip_cli.commands.apply.plan import NONFINITE, ApplyPlan
from gradclip_cli.inputs.discovery import find_dumps
from gradclip_cli.inputs.source import DumpOutput, DumpSource
from gradclip_cli.report import ApplyReport
from gradclip_cli.thresholds import SPELLINGS


@click.command(
    "apply",
    cls=Command,
    help=described(
        "apply",
        "gradclip apply g.safetensors -o out.safetensors -s clip-by-global-norm -t 1.0",
        "gradclip apply steps/ -o clipped/ -s ClipL2PerLayer -t mean --layer 'decoder=:0.5'",
    ),
)
@reading
@by_rank
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
    type=OVERRIDE,
    multiple=True,
    metavar="PATTERN=[STRATEGY][:THRESHOLD]",
    help="Another strategy or threshold for layers that match; the last match wins.",
)
@norming
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
@selecting
@click.option(
    "--output-format",
    type=click.Choice(formats.FORMATS),
    help="Write this format rather than that of the output's suffix.",
)
@CONFIG
@PRINT_CONFIG
@showing
@working
def command(inputs: tuple[str, ...], **options: Any) -> None:
    """Turn options into a plan, run it, and show the report."""
    if options["print_config"]:
        planned(options, (), ())
        with standard_output() as stream:
            stream.write(written(click.get_current_context()))
        return
    from gradclip_cli import pipeline

    given, view = taken(inputs, options), viewed(options, ApplyReport)
    found = find_dumps(given, options["shards"])
    directory = into_folder(given, found, options["output_format"])
    places = {"in_place": options["in_place"], "dry_run": options["dry_run"], "directory": directory}
    outputs = outputs_for(found, options["output"], **places)
    plan = planned(options, found, outputs, options["output"] if directory else None)
    with progress(found, 2, options["quiet"]) as tick:
        report = pipeline.apply(plan, tick)
    if not options["quiet"]:
        show(report, view, err=plan.is_piped)


def planned(
    options: dict[str, Any],
    inputs: tuple[DumpSource, ...],
    outputs: tuple[DumpOutput | None, ...],
    folder: str | None = None,
) -> ApplyPlan:
    """Make the plan, which checks whether options fit together."""
    return ApplyPlan(
        inputs,
        outputs,
        options["strategy"],
        options["threshold"],
        options["layer"],
        norm(options),
        options["nonfinite"],
        selection(options),
        options["output_format"],
        options["overwrite"] or options["in_place"],
        folder,
        options["jobs"],
    )
