"""The targets of the Makefile run what they are to run."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    not ((ROOT / "Makefile").is_file() and shutil.which("make")), reason="installed without its Makefile"
)


def recipe(target: str, venv: Path, *settings: str) -> str:
    """The last command of a target, which runs this Python and writes into `venv`."""
    folder = shlex.quote(str(Path(sys.executable).parent))
    command = ["make", "-n", "--no-print-directory", target, f"BIN={folder}", f"VENV={venv}", *settings]
    # These tests may be run by make, which tells the make that it runs of itself.
    plain = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    run = subprocess.run(command, cwd=ROOT, env=plain, check=True, capture_output=True, text=True)
    return run.stdout.splitlines()[-1]


@pytest.mark.parametrize(
    ("target", "name", "works"),
    [("bench", "benchmarks", ["--help"]), ("bench-cores", "benchmarks-cores", ["apply, float32"])],
)
def test_a_target_measures(target: str, name: str, works: list[str], tmp_path: Path) -> None:
    """`make bench` prints a line for each row, makes its dumps, deletes them, and writes the figures down."""
    (tmp_path / "dumps").mkdir()
    line = f"{recipe(target, tmp_path, f'ONLY={works[0]}', 'SCALE=1e-4')} --rounds 1 --folder {tmp_path}/dumps"
    done = subprocess.run(["sh", "-c", line], cwd=ROOT, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    results = json.loads((tmp_path / f"{name}.json").read_text())
    assert sorted({row["work"] for row in results["rows"]}) == works
    assert set(results["machine"]) >= {"processor", "processors", "memory_gib", "system", "python", "libraries"}
    assert done.stdout.count("\n" + works[0]) == len(results["rows"])
    assert list((tmp_path / "dumps").iterdir()) == []
