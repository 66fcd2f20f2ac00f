"""What the papers take from the command line: help, options, tables that the registries give."""

import json
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import click

from docs.session import in_process
from gradclip_cli.cli import EXIT_CODES, main
from gradclip_cli.cli.help import Grouped

WIDTH = 78
"""What click leaves of a terminal of 80 columns."""


def root_context() -> click.Context:
    """Return a context in which nothing is run."""
    return main.make_context("gradclip", [], resilient_parsing=True, terminal_width=WIDTH)


def commands() -> list[tuple[click.Command, click.Context]]:
    """List the commands in the order in which the program explains them, each with a context of its own."""
    context = root_context()
    found = [(name, main.get_command(context, name)) for name in main.list_commands(context)]
    return [(command, click.Context(command, context, name)) for name, command in found if command is not None]


def help_of(name: str | None) -> str:
    """Return all of the help of a command, or that of the program, as a terminal of 80 columns shows it."""
    if name is None:
        return main.get_help(root_context())
    return next(_whole(command, context) for command, context in commands() if command.name == name)


def _whole(command: click.Command, context: click.Context) -> str:
    return command.full_help(context) if isinstance(command, Grouped) else command.get_help(context)


def help_dump() -> str:
    """Return the page of `gradclip help dump`."""
    return f"```text\n{in_process(['help', 'dump'], Path()).output}```"


def all_help() -> str:
    """Return the help of the program and of every command, each under its heading."""
    parts = [f"```text\n{help_of(None)}\n```"]
    parts += [f"## gradclip {one.name}\n\n```text\n{_whole(one, context)}\n```" for one, context in commands()]
    return "\n\n".join(parts)


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table."""
    head = list(head)
    lines = [head, ["---"] * len(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


@cache
def _strategies() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(in_process(["strategies", "-f", "json"], Path()).text)["strategies"]
    return rows


def strategies() -> str:
    """Return the table of strategies."""
    rows = (
        (f"`{one['name']}`", ", ".join(f"`{alias}`" for alias in one["aliases"]), one["group"], one["rule"])
        for one in _strategies()
    )
    return table(("name", "also accepted", "norm over", "rule"), rows)


def strategy_sources() -> str:
    """Return the table of where each strategy comes from."""
    return table(("name", "source"), ((f"`{one['name']}`", one["source"]) for one in _strategies()))


def exit_codes() -> str:
    """Return the table of exit codes."""
    return table(("code", "meaning"), ((str(code), meaning) for code, meaning in EXIT_CODES.items()))


def limits() -> str:
    """Return the table of the options of `check` that set a limit: those whose help begins with the name of a check."""
    checks = {name.capitalize() for name in check_names()}
    command, context = next(pair for pair in commands() if pair[0].name == "check")
    options = [one for one in command.get_params(context) if isinstance(one, click.Option)]
    records = [one.get_help_record(context) for one in options if (one.help or "").partition(":")[0] in checks]
    return table(("option", "meaning"), ((f"`{record[0]}`", record[1]) for record in records if record))


def check_names() -> list[str]:
    """Return the names of the checks, as the help of `check` lists them."""
    return _listed(r"Rules: ([^.]*)\.", help_of("check"))


def rule_names() -> list[str]:
    """Return the rules that choose a threshold, as the help of `stats` lists them."""
    return _listed(r"from the norms: ([^\[]*)\. \[", help_of("stats"))


def format_names() -> list[str]:
    """Return the names of the formats."""
    return _listed(r"--input-format \[([^\]]*)\]", help_of("ls"))


def _listed(pattern: str, text: str) -> list[str]:
    found = re.search(pattern, re.sub(r"(?<=\w-)\s+", "", re.sub(r"\s+", " ", text)))  # help breaks lines at hyphens
    if found is None:
        raise SystemExit(f"the help holds no list like {pattern!r}")
    return re.split(r", |\|", found[1])
