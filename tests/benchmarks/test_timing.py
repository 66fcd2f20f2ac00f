"""A process is timed with all that it starts, and a failure is told."""

import os
import subprocess
import sys

import pytest

from benchmarks import timing

FORKING = """
import os, sys
held = b"x" * (64 << 20)
if not os.fork():
    more = b"y" * (32 << 20)
    print("ready", flush=True)
sys.stdin.read()
os._exit(0)
"""
"""Holds 64 MiB that it shares with a child, which holds 32 MiB more, until its input ends."""


@pytest.mark.skipif(not timing.COUNTS_SHARED_PAGES_ONCE, reason="the kernel does not say what is shared")
def test_memory_of_all_processes() -> None:
    """What a parent shares with its child counts once, and what the child has of its own counts, too."""
    with subprocess.Popen([sys.executable, "-c", FORKING], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"ready\n"
        found = timing.memory(parent.pid)
    assert 96 < found < 140


def test_memory_of_a_process_that_has_ended() -> None:
    """A process that ends before it is looked at has no memory, and is no error."""
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    assert timing.memory(child.pid) == 0


def test_memory_of_the_largest_process() -> None:
    """Where nobody looks meanwhile, memory is that of the largest process."""
    assert timing.timed([sys.executable, "-c", "held = b'x' * (512 << 20)"]).peak_mib > 512


@pytest.mark.skipif(not timing.COUNTS_SHARED_PAGES_ONCE, reason="the kernel does not say what is shared")
def test_memory_is_looked_at_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """The memory of a process that is watched is the most that was seen; it is looked at as soon as it has started."""
    seen = iter([7.0, 9.0])
    monkeypatch.setattr(timing, "memory", lambda pid: next(seen, 1.0))
    assert timing.timed([sys.executable, "-c", "import time; time.sleep(0.5)"], watch=True).peak_mib in {7.0, 9.0}


def test_seconds() -> None:
    """Sleep counts on the clock, and not for the processors."""
    run = timing.timed([sys.executable, "-S", "-c", "import time; time.sleep(0.5)"])
    assert run.seconds >= 0.5
    assert run.cpu_seconds < run.seconds


def test_a_failure_is_told() -> None:
    """A command that fails ends it all, with its exit code and what it said."""
    with pytest.raises(SystemExit, match=r"(?s)ended with 3: .*no such dump"):
        timing.timed([sys.executable, "-c", "import sys; print('no such dump', file=sys.stderr); sys.exit(3)"])


@pytest.mark.skipif(not timing.COUNTS_SHARED_PAGES_ONCE, reason="the kernel does not say what is shared")
def test_nothing_goes_on_after_an_interruption(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends the command that is running, too."""
    pids = []

    def interrupted(pid: int) -> float:
        pids.append(pid)
        raise KeyboardInterrupt

    monkeypatch.setattr(timing, "memory", interrupted)
    with pytest.raises(KeyboardInterrupt):
        timing.timed([sys.executable, "-c", "import time; time.sleep(100)"], watch=True)
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)
