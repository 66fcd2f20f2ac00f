"""From the words of a command to what is run: whole processes, as a user starts them."""

import os
import shlex
import string
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

HERE = Path(__file__).parent
INSTALLED = Path(sys.executable).with_name("gradclip")
AT = "at_"
"""How the name of what is on a server begins."""
PROGRAMS = {
    "gradclip": [str(INSTALLED)] if INSTALLED.is_file() else [sys.executable, "-m", "gradclip_cli"],
    "python": [sys.executable],
    "reference": [sys.executable, str(HERE / "reference.py")],
    "script": [sys.executable, str(HERE / "scripts.py")],
}


def dumps_in(commands: Iterable[str]) -> set[str]:
    """Return the names of the dumps that commands read."""
    fields = {field for command in commands for _, field, _, _ in string.Formatter().parse(command) if field}
    return {field.removeprefix(AT) for field in fields} - {"out", "processors", "scheduler"}


def argv(command: str, places: Mapping[str, str]) -> list[str]:
    """Return what to run for a command; a shell runs one after the other what `&&` joins."""
    parts = [_one(part, places) for part in command.split(" && ")]
    return parts[0] if len(parts) == 1 else ["sh", "-c", " && ".join(shlex.join(part) for part in parts)]


def _one(command: str, places: Mapping[str, str]) -> list[str]:
    program, *rest = (word.format_map(places) for word in shlex.split(command))
    return [*PROGRAMS.get(program, [program]), *rest]


def environment() -> dict[str, str]:
    """Return the environment without what runs the benchmarks themselves."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
