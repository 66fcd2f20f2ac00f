"""The command itself, on a sample of the bad files: one line, one exit code, and nothing left behind."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.matrices import heavy

from hostile.cases import Case
from hostile.every import CASES

REJECTED = [(case, suffix) for case, suffix in CASES if case.expected == "reject"]
SAMPLE = [
    pytest.param(case, suffix, id=f"{suffix[1:]}-{case.name}", marks=heavy if k % 2 else [])
    for k, (case, suffix) in enumerate(REJECTED[::29])
]


@pytest.mark.parametrize(("case", "suffix"), SAMPLE)
def test_a_bad_file_is_one_line(case: Case, suffix: str, tmp_path: Path) -> None:
    """A bad file is exit 3 and one line on standard error, with no output, and what was at the output before is still there."""
    path, out = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    case.make(path)
    out.write_bytes(b"earlier")
    argv = [
        sys.executable,
        "-m",
        "gradclip_cli",
        "apply",
        str(path),
        "-o",
        str(out),
        "--overwrite",
        "-s",
        "clip-by-norm",
        "-t",
        "1",
    ]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (3, ""), case.reason
    assert done.stderr.startswith(f"Error: {path}: ")
    assert done.stderr.endswith("\n")
    assert done.stderr[:-1].isprintable()
    assert len(done.stderr.encode()) <= 1500
    assert sorted(os.listdir(tmp_path)) == sorted([path.name, out.name])
    assert out.read_bytes() == b"earlier"
