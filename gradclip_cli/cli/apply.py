"""The command `gradclip apply`."""

from time import perf_counter
from typing import Any

import click

import gradclip_cli
from gradclip_cli import formats
from gradclip_cli.cli import ReadingCommand, completion, help_text
from gradclip_cli.cli.config import CONFIG, PRINT_CONFIG, as_toml
from gradclip_cli.cli.counting import copies_options, unscale_option
from gradclip_cli.cli.help import examples
from gradclip_cli.cli.options import (
    InputOptions,
    JobOptions,
    accumulate_option,
    allow_missing_option,
    along_option,
    files_option,
    input_options,
    job_options,
    norm_options,
    pattern_options,
    repeated_option,
    shards_option,
)
from gradclip_cli.cli.output import show, show_notes, standard_output
from gradclip_cli.cli.progress import progress
from gradclip_cli.cli.remote import remote_options, scheduler_option
from gradclip_cli.cli.types import PATH, STRATEGY, THRESHOLD, Tabular
from gradclip_cli.cli.units import unit_options, weights_option
from gradclip_cli.cli.viewing import ViewOptions, view_options
from gradclip_cli.commands.apply.plan import NONFINITE, OUTPUT_DTYPES, ApplyPlan, Override
from gradclip_cli.errors import UsageError
from gradclip_cli.inputs.naming import Naming
from gradclip_cli.inputs.selection import Selection
from gradclip_cli.reports.apply import ON_SCREEN, ApplyReport
from gradclip_cli.storage.streams import STANDARD
from gradclip_cli.strategies.base import Norm
from gradclip_cli.strategies.builtin import GLOBAL
from gradclip_cli.thresholds.adaptive import own_strategy
from gradclip_cli.thresholds.rules import SPELLINGS

_KEYS = {"pattern", "strategy", "threshold"}


def _read(table: dict[str, Any]) -> Override:
    """Convert a [[layer]] table into an override; raise UsageError for an unknown key or a value of the wrong type."""
    if unknown := table.keys() - _KEYS:
        raise UsageError(f"unknown key {sorted(unknown)[0]!r} in [[layer]]; keys are {', '.join(sorted(_KEYS))}")
    pattern, strategy, threshold = table.get("pattern"), table.get("strategy"), table.get("threshold")
    if (
        not isinstance(pattern, str)
        or not isinstance(strategy, str | None)
        or isinstance(threshold, bool | list | dict)
    ):
        raise UsageError("[[layer]] needs a pattern, and a strategy, a threshold or both")
    return Override.of(pattern, strategy, None if threshold is None else str(threshold))


def _write(override: Override) -> dict[str, Any]:
    """Convert an override into a [[layer]] table."""
    entries = {"pattern": override.pattern, "strategy": override.strategy, "threshold": override.threshold}
    return {key: value for key, value in entries.items() if value is not None}


OVERRIDE = Tabular("layer", Override.parse, completion.overrides, _read, _write)


@click.command(
    "apply",
    cls=ReadingCommand,
    help=help_text(
        "apply",
    ),
    epilog=examples(
        "gradclip apply sample_data/char_lstm -s clip-by-global-norm -t p90 --dry-run",
        "gradclip apply sample_data/char_lstm -o clipped/ -s clip_grad_norm_ -t 1.5",
        "gradclip apply sample_data/dl4j_lstm -o out/ -s ClipL2PerLayer -t mean --layer '2=:0.5'",
    ),
)
@input_options
@shards_option
@files_option
@repeated_option
@accumulate_option
@along_option
@copies_options
@click.option(
    "-o",
    "--output",
    type=PATH,
    metavar="PATH",
    help="Write here, to standard output if it is -; a directory for several inputs, or one that exists.",
)
@click.option(
    "-s",
    "--strategy",
    type=STRATEGY,
    metavar="NAME",
    help=f"One of `gradclip strategies`; DL4J's spellings do.  [default: {GLOBAL.name}]",
)
@click.option(
    "-t",
    "--threshold",
    type=THRESHOLD,
    metavar="VALUE",
    help=f"Clip at a number above 0, or by a rule: {SPELLINGS}.",
)
@click.option(
    "--layer",
    "layers",
    envvar="GRADCLIP_APPLY_LAYER",
    type=OVERRIDE,
    multiple=True,
    metavar="PATTERN=[STRATEGY][:THRESHOLD]",
    help="Give layers that match another strategy or threshold; the last match wins.",
)
@weights_option
@unit_options
@norm_options
@click.option(
    "--nonfinite",
    type=click.Choice(NONFINITE),
    default="error",
    show_default=True,
    help="Say what becomes of NaN and Inf.",
)
@allow_missing_option
@click.option("--in-place", is_flag=True, help="Replace the inputs.")
@click.option("--overwrite", is_flag=True, help="Replace an output that exists.")
@click.option("--dry-run", is_flag=True, help="Show the report and write nothing.")
@unscale_option
@pattern_options
@click.option(
    "--output-format",
    type=click.Choice(formats.FORMATS),
    help="Write this format, whatever the output's suffix.",
)
@click.option(
    "--output-dtype",
    type=click.Choice(OUTPUT_DTYPES),
    help="Write gradients in this dtype, rounded once.  [default: keep; float32 for bfloat16 in npz]",
)
@CONFIG
@PRINT_CONFIG
@view_options(ApplyReport)
@scheduler_option
@job_options
@remote_options
def command(given: InputOptions, shown: ViewOptions, work: JobOptions, print_config: bool, **keywords: Any) -> None:
    """Call `gradclip_cli.apply` with the same keywords, and show its report."""
    if print_config:
        _print_config(**keywords)
        return
    paths, view, begin = given.input_paths(), shown.view(ApplyReport), perf_counter()
    with progress(work.quiet) as watched:
        report = gradclip_cli.apply(paths, jobs=work.jobs, progress=watched, **keywords)
    if work.quiet:
        show_notes(report, quiet=True)
    else:
        timed = report._replace(seconds=perf_counter() - begin)
        piped, own = any(dump.output == STANDARD for dump in report.dumps), ON_SCREEN if view.is_screen else frozenset()
        show(timed, view, err=piped, shown=own)


def _print_config(
    layer_regex: str | None, group_depth: int | None, norm_type: float | None, epsilon: float | None, **keywords: Any
) -> None:
    """Print the options of this call as TOML, after making a plan without dumps to check that they agree."""
    # With all that opens files, which help and completion need not wait for.
    from gradclip_cli.api.weights import weights_at

    norm, selection = Norm.asked(norm_type, epsilon), Selection(naming=Naming.parse(layer_regex, group_depth))
    strategy, threshold = keywords["strategy"], keywords["threshold"]
    weights, axis, least = (keywords[name] for name in ("weights", "unit_axis", "min_weight_norm"))
    beside = {
        "weights": weights_at(weights, shards=keywords["shards"]).sources,
        "unit_axis": axis,
        "min_weight_norm": least,
    }
    chosen = strategy or own_strategy(threshold)
    ApplyPlan((), (), chosen, threshold, keywords["layers"], norm, selection=selection, **beside)
    with standard_output() as stream:
        stream.write(as_toml(click.get_current_context()))
