"""What no module of ours explains is named by the entry point, as what it is."""

import errno
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from gradclip_cli import ClosedPipeError, apply
from gradclip_cli.__main__ import _as_gradclip_error


def test_a_temporary_file_is_an_output(monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory for temporary files that is full or gone is nothing that the inputs could mend."""
    monkeypatch.setattr(tempfile, "tempdir", "/scratch")
    told = _as_gradclip_error(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/scratch/tmpabc"))
    assert (told.exit_code, str(told)) == (
        5,
        "/scratch/tmpabc: no space left on device; name a roomier directory for temporary files in TMPDIR",
    )


def test_any_other_file_is_an_input() -> None:
    """A file that Python opens itself, as a module for want of descriptors, is named."""
    told = _as_gradclip_error(OSError(errno.EMFILE, os.strerror(errno.EMFILE), "/lib/re.py"))
    assert (told.exit_code, told.path, told.message) == (3, "/lib/re.py", "too many open files")


WAYS = {
    "stdin": ("stats -", 3, "-: cannot be kept in a temporary file: .*; name a roomier directory in TMPDIR"),
    "stdout": (
        "apply g.npz -o - -s none",
        5,
        "-: .* in the directory for temporary files; name a roomier one in TMPDIR",
    ),
}
"""What needs temporary files: a command line, its exit code, and its error."""

RUN = """
import sys, tempfile
tempfile.tempdir = sys.argv.pop(1)
from gradclip_cli.__main__ import main
main()
"""


@pytest.mark.parametrize("way", WAYS)
def test_a_directory_for_temporary_files_that_is_gone(way: str, tmp_path: Path) -> None:
    """Each of our own uses of a temporary file says so, and none is called an input to be checked."""
    np.savez(tmp_path / "g.npz", w=np.ones(3))
    argv, code, said = WAYS[way]
    reader, writer = os.pipe()
    os.close(writer)
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(tmp_path / "gone"), *argv.split()],
        cwd=tmp_path,
        stdin=reader,
        capture_output=True,
        text=True,
        check=False,
    )
    os.close(reader)
    assert done.returncode == code
    assert len(done.stderr.splitlines()) == 1
    assert re.search(said, done.stderr)


def test_a_reader_that_leaves_is_an_error_of_ours(tmp_path: Path) -> None:
    """A caller in Python gets an error of our own where the reader of standard output has left."""
    np.savez(tmp_path / "g.npz", w=np.ones(3))
    kept = os.dup(1)
    reader, writer = os.pipe()
    os.close(reader)
    try:
        os.dup2(writer, 1)
        with pytest.raises(ClosedPipeError, match="standard output"):
            apply(tmp_path / "g.npz", "-", strategy="none")
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(writer)
