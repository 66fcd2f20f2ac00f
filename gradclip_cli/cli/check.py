"""gradclip check."""

from dataclasses import Field, fields
from typing import Any

import click

from gradclip_cli.checks import CHECKS, parse_names
from gradclip_cli.checks.limits import DTYPES, Limits
from gradclip_cli.cli import Command, described
from gradclip_cli.cli.config import CONFIG
from gradclip_cli.cli.options import by_rank, reading, selecting, selection, showing, stacked, taken, viewed, working
from gradclip_cli.cli.output import progress, show
from gradclip_cli.cli.types import REAL, WHOLE, Parsed
from gradclip_cli.commands.check.plan import CheckPlan
from gradclip_cli.errors import InputError
from gradclip_cli.inputs.discovery import find_dumps
from gradclip_cli.reports import CheckReport
from gradclip_cli.text import count

NAMES = Parsed("rules", lambda text: parse_names([text]), "checks")


def _option(limit: "Field[Any]") -> Any:
    """Make an option of a limit."""
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
    cls=Command,
    help=described(
        "check",
        "gradclip check run/",
        "gradclip check run/ --ignore dead,spread --fail-on nonfinite",
        "",
        "Rules: " + ", ".join(CHECKS) + ".",
    ),
)
@reading
@by_rank
@click.option("--ignore", type=NAMES, multiple=True, metavar="RULE,...", help="Leave out these rules (repeatable).")
@click.option(
    "--fail-on", type=NAMES, multiple=True, metavar="RULE,...", help="Exit with 1 for these rules only (repeatable)."
)
@stacked(*map(_option, fields(Limits)))
@click.option(
    "--keep-going", is_flag=True, help="Leave out dumps that cannot be read; the exit code is 3 all the same."
)
@selecting
@CONFIG
@showing
@working
def command(inputs: tuple[str, ...], **options: Any) -> int:
    """Turn options into a plan, run it, show the report, and return the exit code."""
    from gradclip_cli import pipeline

    view = viewed(options, CheckReport)
    found = find_dumps(taken(inputs, options), options["shards"])
    ignored, fail_on = ({rule for rules in options[name] for rule in rules} for name in ("ignore", "fail_on"))
    if both := sorted(ignored & fail_on):
        raise click.UsageError(f"--ignore and --fail-on exclude each other: {', '.join(both)}")
    plan = CheckPlan(
        found,
        tuple(rule for rule in CHECKS if rule not in ignored),
        Limits(**{limit.name: options[limit.name] for limit in fields(Limits)}),
        selection(options),
        options["keep_going"],
        options["jobs"],
    )
    with progress(found, 1, options["quiet"]) as tick:
        report = pipeline.check(plan, tick)
    if not options["quiet"]:
        show(report, view)
    if report.failed:
        raise InputError(f"{len(report.failed)} of {count(len(found), 'dump')} left out; the first: {report.failed[0]}")
    return int(any(not fail_on or finding.rule in fail_on for finding in report.findings))
