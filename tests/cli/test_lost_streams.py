"""Standard streams that are closed, full, or whose reader leaves: the exit code is that of the work, as a script relies on it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE

import numpy as np
import pytest
from support.command import Run, Save
from support.matrices import crossed, heavy

ADVICE = "make room for it, or write it elsewhere"
CLOSED = "Error: standard output: is closed; redirect it to a file or to /dev/null\n"

CODES = {
    "check dead.npz": 1,
    "check dead.npz --fail-on nonfinite": 0,
    "check dead.npz empty.npz --keep-going": 3,
    "diff dead.npz g.npz": 1,
    "stats g.npz empty.npz --keep-going": 3,
    "stats g.npz empty.npz --keep-going -s clip-by-norm --print-threshold": 3,
    "stats g.npz": 0,
    "ls nosuch.npz": 3,
    "ls g.npz -f": 2,
    "ls g.npz --nosuch": 2,
    "apply nan.npz --dry-run -s none": 4,
    "apply g.npz --dry-run -s clip-by-norm -t mean": 0,
    "-h": 0,
    "-V": 0,
    "": 2,
    "nosuch": 2,
}
"""Command lines, and the exit code that each has wherever its streams go."""


@pytest.fixture(autouse=True)
def dumps(save: Save) -> None:
    """A dump, one that is dead, one that is not finite, and a file that is no dump."""
    save("g.npz", w=[3.0, 4.0])
    save("dead.npz", w=[0.0, 0.0])
    save("nan.npz", w=[np.nan])
    Path("empty.npz").touch()


@pytest.fixture
def gone() -> Iterator[int]:
    """Open a pipe whose reader has left."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


def bash(script: str, stdout: int = PIPE, stderr: int = PIPE, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a script in which `$GRADCLIP` is the command."""
    variables = {**os.environ, "GRADCLIP": f"{sys.executable} -m gradclip_cli", **variables}
    argv = ["bash", "-c", script]
    return subprocess.run(argv, env=variables, stdout=stdout, stderr=stderr, text=True, check=False, timeout=60)


@pytest.mark.parametrize(("lost", "command"), crossed(["2>/dev/full", "2>&-", ""], CODES))
def test_a_message_that_nobody_reads_changes_no_exit_code(lost: str, command: str, gone: int) -> None:
    """Standard error that is full, closed or a pipe without a reader leaves the exit code as it is."""
    assert bash(f"$GRADCLIP {command} {lost}", stderr=gone).returncode == CODES[command]


@pytest.mark.parametrize(
    "command", [pytest.param(command, marks=heavy if k % 2 else []) for k, command in enumerate(CODES)]
)
def test_a_reader_that_leaves_changes_no_exit_code(command: str, gone: int) -> None:
    """A pipe whose reader has gone is no error: the exit code is that of the work, and nothing is said of the pipe."""
    done = bash(f"$GRADCLIP {command}", stdout=gone)
    assert done.returncode == CODES[command]
    assert "pipe" not in done.stderr.lower()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_of_completion_may_be_cut_short(shell: str, gone: int) -> None:
    """The script for a shell goes into a pipe without a reader, too."""
    done = bash("$GRADCLIP", stdout=gone, _GRADCLIP_COMPLETE=f"{shell}_source")
    assert (done.returncode, done.stderr) == (0, "")


WRITING = [
    "-h",
    "stats -h",
    "-V",
    "strategies",
    "stats g.npz -s clip-by-norm --print-threshold",
    "apply -s none --print-config",
]


@pytest.mark.parametrize("command", WRITING)
def test_an_output_that_cannot_be_written_is_no_success(command: str) -> None:
    """Where standard output is closed or full, whatever should go there is missed: exit 5, and what to do."""
    closed, full = bash(f"$GRADCLIP {command} >&-"), bash(f"$GRADCLIP {command} >/dev/full")
    assert (closed.returncode, closed.stderr) == (5, CLOSED)
    assert (full.returncode, full.stderr) == (5, f"Error: standard output: no space left on device; {ADVICE}\n")


def test_a_run_that_says_nothing_needs_no_output() -> None:
    """Where there is nothing to be written, standard output may be closed."""
    assert bash("$GRADCLIP check g.npz -q >&-").returncode == 0


@pytest.mark.parametrize("asked", ["foo_source", "bash_nosuch", "bash", "foo_complete"])
def test_a_shell_that_is_not_known(asked: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Completion for a shell that there is none for is wrong usage, said in one line."""
    monkeypatch.setenv("_GRADCLIP_COMPLETE", asked)
    result = run()
    assert (result.code, result.out, len(result.err.splitlines())) == (2, "", 1)
    assert f"'{asked}'" in result.err
    assert "bash_source" in result.err


@pytest.mark.parametrize(
    "command",
    ["ls g.npz -f", "ls --top", "ls -f xml g.npz", "ls --nosuch", "--nosuch", "nosuch", "diff g.npz", "stats"],
)
def test_wrong_usage_has_one_form(command: str, run: Run) -> None:
    """Whatever is wrong with the usage, click's lines on the usage of the very command come first, and then one line."""
    result = run(*command.split())
    usage, hint, empty, error = result.err.splitlines()
    name = command.split(maxsplit=1)[0]
    of = f"gradclip {name}" if name in ("ls", "diff", "stats") else "gradclip"
    assert result.code == 2
    assert usage.startswith(f"Usage: {of} [OPTIONS]")
    assert hint == f"Try '{of} --help' for help."
    assert (empty, error[:7]) == ("", "Error: ")
