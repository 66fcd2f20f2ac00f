"""Two ranks write what one would: each its own pieces, or the first rank all of it."""

import math
import subprocess
import sys
from pathlib import Path

import pytest

import gradclip_cli


def trained(folder: Path, how: str) -> dict[int, float]:
    """Train on two ranks; return the norms of the whole gradients by step."""
    command = [sys.executable, "-m", "support.captured_ranks", str(folder), how, f"{folder}.store"]
    tests = Path(__file__).parents[2]
    run = subprocess.run(command, check=False, cwd=tests, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    return {int(step): float(norm) for step, norm in map(str.split, run.stdout.splitlines())}


@pytest.mark.parametrize(("how", "shards"), [("ddp", False), ("fsdp", True), ("tp", True)])
def test_norms_of_ranks_are_those_of_the_whole(how: str, shards: bool, tmp_path: Path) -> None:
    """DDP, FSDP2 and tensor parallelism: stats finds the norm of the full gradient, and all ranks agree on what is written."""
    norms = trained(tmp_path, how)
    files = sorted(path.name for path in tmp_path.iterdir())
    ranks = [".rank_00000", ".rank_00001"] if shards else [""]
    assert files == [f"step_{step:08}{rank}.safetensors" for step in (0, 2, 3) for rank in ranks]
    found = {dump.step: dump.norm for dump in gradclip_cli.stats(tmp_path, shards=shards).dumps}
    assert math.isnan(norms[3])
    assert math.isnan(found[3])
    assert {step: found[step] for step in (0, 2)} == pytest.approx({step: norms[step] for step in (0, 2)}, rel=1e-12)


def test_a_rank_that_cannot_write_stops_no_other(tmp_path: Path) -> None:
    """All ranks take part in the norm of each step: one whose disk is full still does, and training goes on to its end."""
    norms = trained(tmp_path, "full")
    assert list(norms) == [0, 1, 2, 3]
    assert {path.name.partition(".")[2] for path in tmp_path.iterdir()} == {"rank_00000.safetensors"}
