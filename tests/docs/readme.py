"""Fill in what the README takes from the program: between `<!-- begin NAME -->` and `<!-- end NAME -->` stands what NAME says here."""

import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import click

from gradclip_cli.cli import COMMANDS, EXIT_CODES, main
from gradclip_cli.strategies import STRATEGIES
from gradclip_cli.thresholds.adaptive import ADAPTIVE_RULES
from gradclip_cli.thresholds.rules import RULES

README = Path(__file__).parents[2] / "README.md"
SESSION = re.compile(r"^```console\n\$ gradclip (.*?)\n.*?^```$", re.MULTILINE | re.DOTALL)
"""An example with what it shows."""

WIDTH = 78
"""What click leaves of a terminal of 80 columns."""


def help_of(name: str | None) -> str:
    """Return the help of a command, or of the whole, as a terminal of 80 columns shows it."""
    context = main.make_context("gradclip", [], resilient_parsing=True, terminal_width=WIDTH)
    command = main.get_command(context, name) if name is not None else None
    return main.get_help(context) if command is None else command.get_help(click.Context(command, context, name))


def all_help() -> str:
    """Return the help of every command, folded up."""
    parts = [f"```text\n{help_of(None)}\n```"]
    for name in COMMANDS:
        summary = f"<summary><code>gradclip {name} --help</code></summary>"
        parts.append(f"<details>{summary}\n\n```text\n{help_of(name)}\n```\n\n</details>")
    return "\n\n".join(parts)


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table."""
    head = list(head)
    lines = [head, ["---"] * len(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def strategies() -> str:
    """Return the table of strategies."""
    rows = [
        (f"`{one.name}`", ", ".join(f"`{alias}`" for alias in one.aliases), one.group.value, one.rule)
        for one in STRATEGIES
    ]
    return table(("name", "also accepted", "norm over", "rule"), rows)


def rules() -> str:
    """Return the table of rules that choose a threshold."""
    return table(("rule", "source"), [(f"`{rule}`", rule.source) for rule in (*RULES, *ADAPTIVE_RULES)])


def exit_codes() -> str:
    """Return the table of exit codes."""
    return table(("code", "meaning"), [(str(code), meaning) for code, meaning in EXIT_CODES.items()])


PARTS: dict[str, Callable[[], str]] = {
    "help": all_help,
    "strategies": strategies,
    "rules": rules,
    "exit codes": exit_codes,
}


def filled(text: str) -> str:
    """Return a README with all of its parts as they have to be."""
    for name, part in PARTS.items():
        begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
        if (text.count(begin), text.count(end)) != (1, 1):
            raise SystemExit(f"README.md needs {begin} and {end}, once each")
        before, _, rest = text.partition(begin)
        text = f"{before}{begin}\n{part()}\n{end}{rest.partition(end)[2]}"
    return SESSION.sub(lambda found: f"```console\n$ gradclip {found[1]}\n{shown(found[1])}\n```", text)


def shown(arguments: str) -> str:
    """Run a command on the sample data, in a folder that is thrown away, and return what it shows."""
    argv = [sys.executable, "-m", "gradclip_cli", *shlex.split(arguments)]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "sample_data").symlink_to(README.parent / "sample_data")
        variables = {**os.environ, "PYTHONPATH": str(README.parent)}
        return subprocess.run(
            argv, cwd=folder, env=variables, stdout=subprocess.PIPE, text=True, check=True
        ).stdout.rstrip()


if __name__ == "__main__":
    README.write_text(filled(README.read_text(encoding="utf-8")), encoding="utf-8")
