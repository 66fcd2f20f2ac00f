"""`-n N` shows N rows of each list of a screen, and the screen stays a screen."""

from pathlib import Path

import numpy as np
import pytest
from support.command import Run
from support.official import savez


@pytest.fixture
def series(tmp_path: Path) -> Path:
    """Twelve steps of twelve blocks, one of which rises at step 7."""
    generator = np.random.default_rng(0)
    for step in range(12):
        tensors = {f"h.{k}.{name}.w": generator.standard_normal(40) for k in range(12) for name in ("a", "b", "c")}
        tensors["h.3.a.w"] *= 40 if step == 7 else 1
        savez(tmp_path / f"step_{step}.npz", **tensors)
    return tmp_path


@pytest.mark.parametrize(
    ("argv", "head", "rows"),
    [
        ("stats {0}", "blocks by rise", 2),
        ("apply {0} -t 5 --dry-run", " step", 2),
        ("apply {0}/step_7.npz -t 5 --dry-run", " blocks by norm", 2),
        ("apply {0}/step_7.npz -t 5 --dry-run", " params by norm", 2),
        ("diff {0}/step_6.npz {0}/step_7.npz", " tensors that differ most", 2),
        ("ls {0}", " dump", 2),
        ("ls {0}/step_7.npz", " name", 2),
        ("show {0}/step_7.npz", "tensors by norm", 2),
        ("stats {0}/step_7.npz", "blocks by share", 12),
    ],
)
def test_so_many_rows_are_shown(argv: str, head: str, rows: int, series: Path, run: Run) -> None:
    """A list has the rows asked for, all of them if there are fewer, and then says how many more there are."""
    count = 2 if rows == 2 else 50
    lines = run(*argv.format(series).split(), "-n", str(count)).out.splitlines()
    start = next(k for k, line in enumerate(lines) if line.startswith(head))
    below = [line for line in lines[start + 1 : start + 1 + rows] if line.strip()]
    assert len(below) == rows
    assert ("more" in lines[start + 1 + rows]) is True
    assert len(lines) < 40


def test_of_problems_the_important_ones_are_shown(series: Path, run: Run) -> None:
    """`check` shows the first rules, in the order of their importance."""
    values = np.ones(40)
    values[3] = np.nan
    savez(series / "step_11.npz", **{f"h.{k}.{name}.w": values for k in range(12) for name in ("a", "b", "c")})
    lines = run("check", series, "-n", "1").out.splitlines()
    assert [line.split()[0] for line in lines if line.startswith(" ") and not line.startswith("  ")] == ["nonfinite"]


def test_thresholds_of_layers_are_cut_as_their_rows_are(series: Path, run: Run) -> None:
    """The table of each layer's own threshold has as many rows as that of their norms; those of a few rules stay whole."""
    lines = run("stats", series, "--by", "layer", "--by", "total", "-n", "2").out.splitlines()
    assert sum("--layer" in line for line in lines) == 2
    assert sum(line.startswith("clip-by-global-norm") for line in lines) > 2
