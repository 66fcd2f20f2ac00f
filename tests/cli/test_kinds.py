"""Modules of one kind over all layers: tables and rows `--by kind`."""

from pathlib import Path

import numpy as np
import pytest
from support.command import Run, Save

TENSORS = {
    "h.0.q.weight": np.array([3.0]),
    "h.1.q.weight": np.array([4.0]),
    "h.1.k.weight": np.array([12.0]),
    "head.weight": np.array([84.0]),
}


@pytest.fixture
def two(save: Save) -> Path:
    """Two dumps of layers of two kinds, and one layer without a number."""
    Path("run").mkdir()
    for step in (1, 2):
        save(f"run/step_{step}.npz", **TENSORS)
    return Path("run")


@pytest.mark.parametrize(
    ("argv", "columns", "expected"),
    [
        (["stats", "run"], "kind,tensors,count,mean", ["h.*.q,2,2,5.0", "h.*.k,1,2,12.0", "head,1,2,84.0"]),
        (["show", "run/step_1.npz"], "kind,tensors,norm", ["head,1,84.0", "h.*.k,1,12.0", "h.*.q,2,5.0"]),
        (
            ["apply", "run/step_1.npz", "--dry-run", "-s", "clip-by-norm", "-t", "6"],
            "kind,params,norm_before,norm_after",
            ["h.*.k,1,12.0,6.0", "h.*.q,2,5.0,5.0", "head,1,84.0,6.0"],
        ),
    ],
)
def test_rows_of_kinds(argv: list[str], columns: str, expected: list[str], two: Path, run: Run) -> None:
    """Layers whose names differ in numbers alone are one kind, whose norm is that of all of them: 3 and 4 make 5."""
    found = run(*argv, "--by", "kind", "--csv", "--no-headers", "--columns", columns)
    assert found.code == 0, found.err
    lines = found.out.splitlines()
    assert sorted(lines[: len(expected)]) == sorted(expected)
    table = run(*argv, "--by", "kind").out
    assert all(row.partition(",")[0] in table for row in expected)


def test_rows_of_kinds_and_steps(two: Path, run: Run) -> None:
    """Each kind has a row for each step, None where a dump has nothing of it, whichever of the two is named first."""
    found = run("stats", "run", "--by", "step,kind", "--csv", "--no-headers", "--columns", "kind,step,norm")
    assert found.out.split() == [
        "h.*.q,1,5.0",
        "h.*.q,2,5.0",
        "h.*.k,1,12.0",
        "h.*.k,2,12.0",
        "head,1,84.0",
        "head,2,84.0",
    ]
