"""Signals at random moments: nothing half, nothing left, and the end that the signal would have brought."""

import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from support.command import GRADCLIP
from support.matrices import crossed

from faults.scenarios import OLD, environment

ROUNDS = 60 if os.environ.get("FAULTS") == "all" else 2
"""For each signal and way of writing; `FAULTS=all` makes it 180 of each signal."""
CLIP = ["-s", "clip-by-global-norm", "-t", "1", "-q", "--overwrite"]
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL]
WAYS = {
    "packed": (["a.npz", "-o", "out.npz"], ["out.npz"]),
    "converted": (["a.npz", "-o", "out.h5"], ["out.h5"]),
    "several": (["a.npz", "b.npz", "-o", "out"], ["out/a.npz", "out/b.npz"]),
}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two dumps that take a while."""
    folder = tmp_path_factory.mktemp("sources")
    noise = np.random.default_rng(0).standard_normal(200_000).astype(np.float32)
    for name in ("a", "b"):
        np.savez_compressed(folder / f"{name}.npz", w=noise)
    return folder


@pytest.fixture
def dumps(sources: Path, tmp_path: Path) -> Path:
    """Copies of the two dumps."""
    for path in sources.iterdir():
        shutil.copy(path, tmp_path)
    return tmp_path


class Undisturbed(NamedTuple):
    """A run that nothing disturbs: its seconds, and the files after it."""

    seconds: float
    files: dict[str, bytes]


@pytest.fixture(scope="module")
def undisturbed(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Undisturbed]:
    """Run each way once, from a folder of its own."""

    @cache
    def undisturbed(way: str) -> Undisturbed:
        folder = tmp_path_factory.mktemp("undisturbed")
        for path in sources.iterdir():
            shutil.copy(path, folder)
        start = time.monotonic()
        assert run(folder, WAYS[way][0], None, 0) == (0, b"")
        return Undisturbed(time.monotonic() - start, listing(folder))

    return undisturbed


def begin(folder: Path, way: str) -> None:
    """Put the targets of a way back to what they are before a run."""
    for name in WAYS[way][1]:
        (folder / name).unlink(missing_ok=True)
    if way != "several":
        (folder / WAYS[way][1][0]).write_bytes(OLD)
    elif (folder / "out").is_dir():
        (folder / "out").rmdir()


def listing(folder: Path) -> dict[str, bytes]:
    """Return every file of a folder, and every directory."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")}


_PLACED = re.compile(rb"(note: interrupted, but (the output is|all \d outputs are) in place: [^\n]+\n)?")


def wait_for_handlers(process: subprocess.Popen[bytes]) -> None:
    """Wait until signals are handled: before that the run is but Python starting."""
    bit = 1 << (signal.SIGTERM - 1)
    while process.poll() is None:
        status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
        if int(status.partition("SigCgt:")[2].split()[0], 16) & bit:
            return
        time.sleep(0.002)


def run(folder: Path, argv: list[str], number: signal.Signals | None, after: float) -> tuple[int, bytes]:
    """Run a command, and send it a signal after some time."""
    process = subprocess.Popen(
        [*GRADCLIP, "apply", *argv, *CLIP],
        cwd=folder,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    if number is not None:
        wait_for_handlers(process)
        time.sleep(after)
        process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    return process.returncode, errors


@pytest.mark.parametrize(("number", "way"), crossed(SIGNALS, WAYS))
def test_a_signal_at_any_moment(
    number: signal.Signals, way: str, dumps: Path, undisturbed: Callable[[str], Undisturbed]
) -> None:
    """A run ends by its signal, or had ended before; old files are whole, all outputs are there and named, or none are there."""
    argv, targets = WAYS[way]
    lasted, done = undisturbed(way)
    begin(dumps, way)
    before = listing(dumps)
    chance = random.Random(f"{number} {way}")
    for _ in range(ROUNDS):
        begin(dumps, way)
        code, errors = run(dumps, argv, number, chance.uniform(0, 1) * lasted)
        found = listing(dumps)
        if number is signal.SIGKILL:
            for path in (path for path in dumps.rglob(".gradclip-*") if path.is_file()):
                path.unlink()
            assert all(found.get(name) in (before.get(name), done[name], None) for name in targets)
            continue
        assert code in (-number, 0), errors
        assert found in ((before, done) if code else (done,))
        assert _PLACED.fullmatch(errors), errors
        assert bool(errors) is (code != 0 and found != before)


def test_a_signal_that_is_ignored_stays_so(dumps: Path) -> None:
    """What was started with `nohup` is not ended by a hang-up."""
    argv = [*GRADCLIP, "apply", *WAYS["packed"][0], *CLIP]
    process = subprocess.Popen(["sh", "-c", 'trap "" HUP; exec "$@"', "sh", *argv], cwd=dumps, env=environment())
    wait_for_handlers(process)
    process.send_signal(signal.SIGHUP)
    assert process.wait(timeout=60) == 0
    assert (dumps / "out.npz").is_file()


def test_an_interrupt_is_130_to_a_shell(dumps: Path) -> None:
    """Ctrl-C, which goes to the shell and the run, ends a script with 130."""
    command = 'trap : INT; "$@"; echo $?'
    argv = [*GRADCLIP, "apply", *WAYS["packed"][0], *CLIP]
    process = subprocess.Popen(
        ["bash", "-c", command, "bash", *argv],
        cwd=dumps,
        env=environment(),
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    while not any(name.startswith(".gradclip") for name in os.listdir(dumps)):
        time.sleep(0.002)
        assert process.poll() is None
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert output == b"130\n"
