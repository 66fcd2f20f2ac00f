"""Run the examples of a page: `gradclip` in this process, what needs a shell in bash."""

import io
import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple
from unittest import mock

from support.shell import furnish, shell

from docs.places import SAMPLES
from gradclip_cli.__main__ import run as run_command

NEEDS_A_SHELL = re.compile(r"[|<>;&`$*?\n]")
COLUMNS = "100"
"""The width for which help and progress are written; reports in a pipe have full width."""


class Shown(NamedTuple):
    """What a command left on the screen, and its exit code; `output` and `errors` are its two streams apart."""

    code: int
    text: str
    output: str
    errors: str


class ExampleError(AssertionError):
    """An example that does not do what its page promises."""


class Session:
    """The shell of one page: a folder with dumps of the names that examples use, kept from block to block."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._code = 0
        self._globals: dict[str, object] = {}
        furnish(folder)
        shutil.copytree(SAMPLES, folder / "sample_data", ignore=shutil.ignore_patterns("*.py", "*.txt", "*.md"))

    def console(self, block: str) -> str:
        """Run the commands of a `console` block and return it with what they show now."""
        commands = [line[2:] for line in _logical_lines(block) if line.startswith("$ ")]
        shown = [(command, self._run(command)) for command in commands]
        self._check_codes(shown)
        return "".join(f"$ {command}\n{_ended(result.text)}" for command, result in shown)

    def script(self, block: str) -> None:
        """Run a `sh` block; each of its commands has to succeed and to warn of nothing."""
        for command in [block] if "<<" in block else _logical_lines(block):
            result = self._run(command)
            if result.code or result.errors:
                raise ExampleError(f"{command}\nended with {result.code}:\n{result.text}")

    def python(self, block: str) -> None:
        """Execute a `python` block; the names that it defines are there for the next one, what it prints is not looked at."""
        with chdir(self._folder), redirect_stdout(io.StringIO()):
            exec(compile(block, "<example>", "exec"), self._globals)

    def _run(self, command: str) -> Shown:
        """Run a command; in this process even where its output goes to a file, or to programs that are not ours."""
        if command == "echo $?":
            return Shown(0, f"{self._code}\n", f"{self._code}\n", "")
        result = self._to_file(command) or self._into_pipe(command) or self._bash(command)
        self._code = result.code
        return result

    def _to_file(self, command: str) -> Shown | None:
        """Run `gradclip ... > FILE`; None if the command is of another form."""
        call, redirection, file = command.partition(" > ")
        if not redirection or not is_plain(call) or not re.fullmatch(r"[\w.]+", file):
            return None
        result = self._gradclip(call)
        (self._folder / file).write_text(result.output, encoding="utf-8")
        return result._replace(text=result.errors)

    def _into_pipe(self, command: str) -> Shown | None:
        """Run `gradclip ...`, or `gradclip ... | PROGRAM` where the program is not ours; None if the command is of another form."""
        call, bar, rest = command.partition(" | ")
        if not is_plain(call) or "gradclip" in rest:
            return None
        begun = self._gradclip(call)
        if not bar:
            return begun
        ended = self._bash(rest, begun.output)
        return Shown(ended.code or begun.code, begun.errors + ended.text, ended.output, begun.errors + ended.errors)

    def _gradclip(self, command: str) -> Shown:
        return in_process(shlex.split(command, comments=True)[1:], self._folder)

    def _bash(self, command: str, given: str = "") -> Shown:
        done = shell(command, self._folder, given, COLUMNS=COLUMNS)
        return Shown(done.returncode, done.stdout + done.stderr, done.stdout, done.stderr)

    @staticmethod
    def _check_codes(shown: list[tuple[str, Shown]]) -> None:
        """Refuse an exit code other than 0 that the page does not show by `echo $?`."""
        following = [command for command, _ in shown[1:]]
        for (command, result), after in zip(shown, [*following, ""], strict=True):
            if result.code and after != "echo $?":
                raise ExampleError(f"{command}\nended with {result.code}, which the page does not show:\n{result.text}")


def is_plain(command: str) -> bool:
    """Whether a command is one of gradclip alone, with nothing that a shell has to do for it."""
    return command.startswith("gradclip ") and not NEEDS_A_SHELL.search(re.sub(r"'[^']*'", "", command))


def in_process(arguments: list[str], folder: Path, columns: int | None = None) -> Shown:
    """Run `gradclip` in this process, as it behaves in a pipe, or on a terminal of so many columns without colours."""
    screen, output, errors = _Stream(), _Stream(), _Stream()
    streams = _Both(screen, output, terminal=columns is not None), _Both(screen, errors)
    argv = mock.patch.object(sys, "argv", ["gradclip", *arguments])
    with (
        chdir(folder),
        _quiet_environment(str(columns or COLUMNS)),
        argv,
        redirect_stdout(streams[0]),
        redirect_stderr(streams[1]),
    ):
        code = run_command()
    return Shown(code, screen.text(), output.text(), errors.text())


class _Stream(io.TextIOWrapper):
    """A stream in memory, in UTF-8, with the binary stream below it that the program writes to where it can."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", write_through=True)

    def text(self) -> str:
        """Return what was written."""
        return self.buffer.getvalue().decode()  # type: ignore[attr-defined, no-any-return]


class _Both(io.TextIOWrapper):
    """Standard output or error: shown on the screen, and kept apart as well."""

    def __init__(self, screen: _Stream, own: _Stream, *, terminal: bool = False) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", write_through=True)
        self._targets = (screen, own)
        self._terminal = terminal

    def isatty(self) -> bool:
        """Return whether it stands for a terminal."""
        return self._terminal

    def write(self, text: str) -> int:
        """Write to both."""
        for target in self._targets:
            target.write(text)
        return len(text)


@contextmanager
def _quiet_environment(columns: str) -> Iterator[None]:
    """Hide what a developer's environment would change in a report."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GRADCLIP", "_GRADCLIP"))}
    with mock.patch.dict(os.environ, {**kept, "COLUMNS": columns, "NO_COLOR": "1"}, clear=True):
        yield


def _logical_lines(block: str) -> Iterator[str]:
    """Yield the lines of a block, those that end with a backslash together with the next; no comments, no empty lines."""
    for line in re.sub(r"\\\n\s*", "\\\n", block).replace("\\\n", "\0").splitlines():
        if line and not line.startswith("#"):
            yield line.replace("\0", "\\\n  ")


def _ended(text: str) -> str:
    return f"{text.strip(chr(10))}\n" if text.strip("\n") else ""
