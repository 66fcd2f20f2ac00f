"""gradclip diff."""

from typing import Any

import click

from gradclip_cli.cli import Command, described
from gradclip_cli.cli.options import choosing, selection, showing, viewed, working
from gradclip_cli.cli.output import progress, show
from gradclip_cli.cli.types import PATH, REAL
from gradclip_cli.inputs.discovery import find_one
from gradclip_cli.reports import DiffReport


@click.command(
    "diff",
    cls=Command,
    help=described(
        "diff",
        "gradclip diff before.safetensors after.h5 --rtol 1e-6",
        "gradclip diff a.npz b.npz -q && echo equal",
        "",
        "Elements are equal if |a-b| <= ATOL + RTOL * |b|, whatever their dtypes; NaN equals NaN, +0 equals -0. "
        "The norm ratio is that of B to A; the largest |a-b| / |b| is over the elements where b is not 0. "
        "Exit code 0 if all tensors are equal, 1 if not.",
    ),
)
@click.argument("a", type=PATH)
@click.argument("b", type=PATH)
@click.option(
    "--rtol", type=REAL, metavar="RTOL", default=0.0, show_default=True, help="Allow |a-b| of RTOL times |b|."
)
@click.option("--atol", type=REAL, metavar="ATOL", default=0.0, show_default=True, help="Allow |a-b| of ATOL, besides.")
@click.option("--all", is_flag=True, help="Show the tensors that are the same in the table, too.")
@choosing
@showing
@working
def command(a: str, b: str, **options: Any) -> int:
    """Turn options into a plan, run it, show the report, and return the exit code."""
    from gradclip_cli import pipeline
    from gradclip_cli.commands.diff import DiffPlan

    view = viewed(options, DiffReport, ("all",) if options["all"] else ())
    inputs = find_one(a), find_one(b)
    plan = DiffPlan(*inputs, options["rtol"], options["atol"], selection(options), options["jobs"])
    with progress(inputs, 1, options["quiet"]) as tick:
        report = pipeline.diff(plan, tick)
    if not options["quiet"]:
        show(report, view)
    return 0 if report.equal else 1
