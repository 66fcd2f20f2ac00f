"""Whatever does the work, one thread, several, or worker processes of either kind: reports and outputs are the same to the byte."""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from laws.everywhere import make

TESTS = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def dumps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Dumps of three steps in every format."""
    folder = tmp_path_factory.mktemp("executors") / "dumps"
    make(folder)
    return folder


@cache
def digests(folder: Path, way: str, jobs: int) -> tuple[int, dict[str, str]]:
    """Return by how many maps of processes the answers came about, and their digests, from a process that has one thread."""
    outputs = folder.parent / f"{way}{jobs}"
    environment = {**os.environ, "PYTHONPATH": str(TESTS), "OPENBLAS_NUM_THREADS": "1"}
    argv = [sys.executable, "-m", "laws.executors", str(folder), str(outputs), way, str(jobs)]
    run = subprocess.run(argv, capture_output=True, text=True, check=False, env=environment)
    assert run.returncode == 0, run.stderr
    maps, found = json.loads(run.stdout)
    return maps, found


@pytest.mark.parametrize(
    ("way", "jobs"),
    [
        ("threads", 3),
        pytest.param("forked", 2, marks=pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")),
        pytest.param("forked", 5, marks=pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")),
        ("spawned", 2),
    ],
)
def test_same_bytes(way: str, jobs: int, dumps: Path) -> None:
    """One thread and any other executor agree on every report and every output."""
    (none, expected), (maps, found) = digests(dumps, "threads", 1), digests(dumps, way, jobs)
    assert found == expected
    assert len(found) > 20
    assert none == 0
    assert (maps > 20) == (way != "threads")
