"""A file that a writer has open is told from one that a writer which was killed has left marked."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import pytest

from gradclip_cli import stats
from gradclip_cli.errors import InputError
from gradclip_cli.formats.hdf5 import unfinished
from gradclip_cli.storage.random_access import InputFile

WRITER = """
import sys, h5py
file = h5py.File(sys.argv[1], "w", libver="latest", locking=sys.argv[3] == "locking")
file["w"] = [3.0, 4.0]
if sys.argv[2] == "swmr":
    file.swmr_mode = True
file.flush()
print("ready", flush=True)
sys.stdin.read()
"""


@contextmanager
def writer(path: Path, mode: str, locking: str = "locking") -> Iterator[subprocess.Popen[str]]:
    """Run a process that has a file open for writing; it is killed in the end."""
    argv = [sys.executable, "-c", WRITER, str(path), mode, locking]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield process
        finally:
            process.kill()


def refusal(path: Path) -> str:
    """Return why a file is refused."""
    with pytest.raises(InputError) as caught:
        stats(path)
    assert str(caught.value).isprintable()
    return str(caught.value)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell who has a file open")
@pytest.mark.parametrize(("mode", "locking"), [("w", "locking"), ("w", "free"), ("swmr", "locking")])
def test_an_open_file_and_one_left_open(mode: str, locking: str, path: Path) -> None:
    """While the writer lives, the error names it; once it is killed, that; both name h5clear."""
    with writer(path, mode, locking) as process:
        assert f"still open for writing in process {process.pid}; wait" in (told := refusal(path))
        assert "h5clear -s FILE" in told
    assert "its writer was killed; clear the mark by h5clear -s FILE" in refusal(path)


def test_a_locked_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody tells who has a file open, a lock says that somebody has."""
    monkeypatch.setattr(unfinished, "_writers", lambda fd: iter(()))
    with writer(path, "w"):
        assert "still open for writing in another process; wait" in refusal(path)
    assert "its writer was killed" in refusal(path)


def test_a_damaged_file_is_not_unfinished(path: Path) -> None:
    """A file that has no mark, and no writer, is refused for what HDF5 says of it."""
    with h5py.File(path, "w", libver="latest") as file:
        file["w"] = np.ones(300)
    path.write_bytes(path.read_bytes()[:1000])
    assert "HDF5 cannot read it" in refusal(path)
    with InputFile(str(path)) as file:
        assert unfinished.reason(file) is None


def test_a_copy_has_no_writer(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what comes through a pipe nobody can tell whether the writer lives."""
    with writer(path, "w"), InputFile(str(path)) as file:
        monkeypatch.setattr(file, "path", "-")
        told = unfinished.reason(file)
    assert told is not None
    assert "or its writer was killed; close it, or clear the mark by h5clear -s FILE" in told
