"""Whatever does the work, one thread, several, or worker processes of either kind: reports and outputs are the same to the byte."""

import json
import os
import subprocess
import sys
from functools import cache
from itertools import product
from pathlib import Path

import pytest
from support.matrices import heavy

from gradclip_cli.formats import FORMATS
from laws.everywhere import make

TESTS = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def dumps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Dumps of three steps in every format."""
    folder = tmp_path_factory.mktemp("executors") / "dumps"
    make(folder)
    return folder


@cache
def digests(folder: Path, format: str, way: str, jobs: int) -> tuple[int, dict[str, str]]:
    """Return by how many maps of processes the answers came about, and their digests, from a process that has one thread."""
    outputs = folder.parent / f"{format}-{way}-{jobs}"
    environment = {**os.environ, "PYTHONPATH": str(TESTS), "OPENBLAS_NUM_THREADS": "1"}
    argv = [sys.executable, "-m", "laws.executors", str(folder), str(outputs), way, str(jobs), format]
    run = subprocess.run(argv, capture_output=True, text=True, check=False, env=environment)
    assert run.returncode == 0, run.stderr
    maps, found = json.loads(run.stdout)
    return maps, found


WAYS = [("threads", 3), ("forked", 5), ("spawned", 2), ("forked", 2)]
SAMPLE = [(("spawned", 2), "npz")]
"""Threads, and processes that are forked, are tried with every format by the laws about them."""


@pytest.mark.parametrize(
    ("way", "format"),
    [*(pytest.param(*one, marks=heavy) for one in product(WAYS, FORMATS) if one not in SAMPLE), *SAMPLE],
    ids=lambda value: value if isinstance(value, str) else f"{value[1]} {value[0]}",
)
def test_same_bytes(way: tuple[str, int], format: str, dumps: Path) -> None:
    """One thread and any other executor agree on every report and every output."""
    if way[0] == "forked" and sys.platform != "linux":
        pytest.skip("nothing is forked but on Linux")
    (none, expected), (maps, found) = digests(dumps, format, "threads", 1), digests(dumps, format, *way)
    assert found == expected
    assert len(found) > 8
    assert none == 0
    assert (maps > 5) == (way[0] != "threads")
