"""What is closed of the standard streams says so when it is written to, and no message ends a run."""

import errno
import os
import subprocess
import sys

import pytest

from gradclip_cli.storage.stdio import discard

FURNISHED = """
import os, sys
from gradclip_cli.storage.stdio import prepare_streams

prepare_streams()
assert all(os.fstat(number) for number in range(3))
print("läuft \\udc80", file=sys.stderr)
try:
    print("out", flush=True)
    code = 0
except OSError as error:
    code = error.errno
os._exit(code)
"""


def furnished(redirections: str, encoding: str = "utf-8") -> subprocess.CompletedProcess[bytes]:
    """Run a process with some of its streams redirected or closed."""
    command = ["bash", "-c", f'"$0" -c "$1" {redirections}', sys.executable, FURNISHED]
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    return subprocess.run(command, capture_output=True, check=False, env=environment)


def test_what_cannot_be_shown_is_escaped() -> None:
    """A name that is not Unicode is written in a way that a person can read."""
    ended = furnished("")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"out\n", "läuft \\udc80\n".encode())
    assert furnished("", "ascii").stderr == b"l\\xe4uft \\udc80\n"


@pytest.mark.parametrize("redirections", ["2>&-", "2>/dev/full", "<&-"])
def test_a_message_that_is_lost_ends_nothing(redirections: str) -> None:
    """The exit code depends on the work alone, whatever becomes of standard error."""
    ended = furnished(redirections)
    assert (ended.returncode, ended.stdout) == (0, b"out\n")


def test_a_closed_output_is_an_error() -> None:
    """What is written to no standard output is not lost without a word."""
    assert furnished(">&-").returncode == errno.EBADF


def test_discard() -> None:
    """A descriptor whose output is discarded takes everything, though nobody reads it."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        with pytest.raises(BrokenPipeError):
            os.write(writing, b"x")
        discard(writing)
        assert os.write(writing, b"x") == 1
    finally:
        os.close(writing)


def test_sleep_ends_with_the_reader() -> None:
    """Who waits for what comes next ends when nobody reads any more, long before the time is over."""
    script = "from gradclip_cli.storage.stdio import sleep\nsleep(0.01)\nprint('here', flush=True)\nsleep(600)"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"here\n"
        process.stdout.close()
        assert b"BrokenPipeError" in process.stderr.read()
    assert process.returncode == 1
