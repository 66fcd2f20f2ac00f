"""A process is timed with all that it starts, and a failure is told."""

import sys

import pytest

from benchmarks import timing

FORKING = """
import os, time
held = b"x" * (64 << 20)
read, write = os.pipe()
if not os.fork():
    more = b"y" * (32 << 20)
    os.write(write, b"!")
    time.sleep(0.5)
    os._exit(0)
os.read(read, 1)
time.sleep(0.3)
os.wait()
"""
"""Holds 64 MiB that it shares with a child, which holds 32 MiB more."""


@pytest.mark.skipif(not timing.COUNTS_SHARED_PAGES_ONCE, reason="the kernel does not say what is shared")
def test_memory_of_all_processes() -> None:
    """What a parent shares with its child counts once, and what the child has of its own counts, too."""
    run = timing.timed([sys.executable, "-c", FORKING], watch=True)
    assert 96 < run.peak_mib < 140


@pytest.mark.skipif(not timing.COUNTS_SHARED_PAGES_ONCE, reason="the kernel does not say what is shared")
def test_memory_of_one_process() -> None:
    """Memory is that of the command, however much the process has that starts it."""
    held = b"x" * (200 << 20)
    run = timing.timed([sys.executable, "-c", "import time; held = b'x' * (64 << 20); time.sleep(0.3)"], watch=True)
    assert 64 < run.peak_mib < 100 < len(held) >> 20


def test_memory_of_the_largest_process() -> None:
    """Without a look meanwhile, memory is at least that of the largest process."""
    assert timing.timed([sys.executable, "-c", "held = b'x' * (512 << 20)"]).peak_mib > 512


def test_seconds() -> None:
    """Sleep counts on the clock, and not for the processors."""
    run = timing.timed([sys.executable, "-S", "-c", "import time; time.sleep(0.5)"])
    assert run.seconds >= 0.5
    assert run.cpu_seconds < run.seconds


def test_a_failure_is_told() -> None:
    """A command that fails ends it all, with its exit code and what it said."""
    with pytest.raises(SystemExit, match=r"(?s)ended with 3: .*no such dump"):
        timing.timed([sys.executable, "-c", "import sys; print('no such dump', file=sys.stderr); sys.exit(3)"])
