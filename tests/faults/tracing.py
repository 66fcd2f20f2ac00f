"""The system calls of a run, and runs in which one of them fails or is the last."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from faults.scenarios import Scenario, environment, fresh

_LINE = re.compile(r"^(?:\d+ +)?(?P<name>[a-z0-9_]+)\((?P<rest>.*)$")

_MEMORY = ("brk", "mmap", "munmap", "mprotect", "madvise", "futex")
"""Calls that have nothing to do with files, and do not come the same number of times in each run."""


@dataclass(frozen=True)
class Call:
    """The `ordinal`-th call of one name in a run."""

    name: str
    ordinal: int
    text: str
    inside: bool  # it has to do with a file of the scenario

    def __str__(self) -> str:
        return f"{self.name} {self.ordinal}: {self.text[:120]}"


def missing() -> str:
    """Say why nothing can be traced here, or nothing."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    done = subprocess.run(["strace", "-f", "-e", "inject=getppid:error=EIO", "true"], capture_output=True, check=False)
    return "" if done.returncode == 0 else f"strace cannot trace here: {done.stderr[:80]!r}"


@cache
def calls_of(scenario: Scenario, folder: Path) -> list[Call]:
    """Return the system calls of a scenario that was run before: they are the same each time from then on."""
    return calls(scenario.command, fresh(scenario, folder))


def calls(command: list[str], folder: Path) -> list[Call]:
    """Run a command in a folder and return its system calls from the first on that has to do with a file there."""
    log = folder.with_suffix(".strace")
    tracer = ["strace", "-f", "-y", "-qqq", "-s", "256", "-o", str(log)]
    subprocess.run([*tracer, *command], cwd=folder, env=environment(), check=True, capture_output=True)
    counts: dict[str, int] = {}
    found: list[Call] = []
    first, *_ = lines = log.read_text(errors="replace").splitlines()
    for line in lines:
        match = _LINE.match(line)
        # What another process or thread did is counted apart.
        if match is None or match["name"] in _MEMORY or line.split()[0] != first.split()[0]:
            continue
        name, rest = match["name"], match["rest"]
        counts[name] = counts.get(name, 0) + 1
        found.append(Call(name, counts[name], rest, _is_inside(rest, folder)))
    begin = next(k for k, call in enumerate(found) if call.inside and k > 0)
    return found[begin:]


def _is_inside(rest: str, folder: Path) -> bool:
    """Whether a call names a file in a folder, by its path or by a descriptor."""
    return f"{folder}/" in rest or any(
        f'AT_FDCWD<{folder}>, "{part}' in rest for part in ("g", "a.", "b.", "in/", "out", ".")
    )


@dataclass(frozen=True)
class Ended:
    """How a run ended in which something was injected."""

    code: int
    err: str


def injected(command: list[str], folder: Path, call: Call, what: str) -> Ended:
    """Run a command in a folder, and let one of its system calls fail (`error=EIO`), or be its last (`signal=KILL`)."""
    log = folder.with_suffix(".injected")
    fast = ["--seccomp-bpf"] if what.startswith("error") else []  # strace 6.1 sends no signal with it
    tracer = ["strace", "-f", "-qqq", *fast, "-e", f"trace={call.name}", "-o", str(log)]
    inject = ["-e", f"inject={call.name}:{what}:when={call.ordinal}"]
    done = subprocess.run(
        [*tracer, *inject, *command],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "INJECTED" in log.read_text(errors="replace") or done.returncode in (-9, 137), f"{call} did not come again"
    return Ended(done.returncode, done.stderr)
