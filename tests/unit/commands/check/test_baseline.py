"""`check` with a baseline reads a second run in the same way, and says what that cannot tell."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from laws.layouts import shard
from support.findings import seen
from support.official import save_as

from gradclip_cli import check
from gradclip_cli.errors import InputError, UsageError
from gradclip_cli.reports.check import CheckReport


def runs(
    root: Path, *, factor: float = 1.0, extra: Mapping[str, Any] | None = None, prefix: str = "", steps: int = 8
) -> tuple[Path, Path]:
    """Write a run, in which the second block is `factor` times as large at step 5, and a good one."""
    random = np.random.default_rng(0)
    for name in ("run", "good"):
        folder = root / name
        folder.mkdir()
        for step in range(steps):
            arrays = {f"h.{k}.{param}": random.standard_normal(400) for k in range(3) for param in ("w", "v")}
            if name == "run":
                for param in ("w", "v"):
                    arrays[f"h.1.{param}"] *= factor if step == 5 else 1
                arrays |= extra or {}
                arrays = {prefix + key: value for key, value in arrays.items()}
            save_as(folder / f"step_{step}.npz", arrays)
    return root / "run", root / "good"


def notes(report: CheckReport) -> dict[str, str]:
    """Return the notes of a report by kind."""
    return {note.kind: note.text for note in report.notes}


def test_a_block_that_rises(tmp_path: Path) -> None:
    """The block is found at its step, with its norm, and how many times the usual norm of the good run that is."""
    run, good = runs(tmp_path, factor=4.0)
    [one] = check(run, baseline=good).findings
    arrays = np.load(run / "step_5.npz")
    norm = np.hypot(np.linalg.norm(arrays["h.1.w"]), np.linalg.norm(arrays["h.1.v"]))
    assert (one.rule, one.step, one.block, one.layer, one.param) == ("unlike-baseline", 5, "h.1", None, None)
    assert one.value == pytest.approx(norm)
    assert f" x the median of {good}" in one.message
    assert check(run).findings == []
    assert check(good, baseline=run, ignore=["exploding"]).findings == []


def test_a_block_that_falls(tmp_path: Path) -> None:
    """A block that is far smaller is found as well."""
    run, good = runs(tmp_path, factor=0.1)
    [one] = check(run, baseline=good).findings
    assert (one.step, one.block) == (5, "h.1")
    assert one.value < one.limit


def test_the_same_selection(tmp_path: Path) -> None:
    """Both runs are read with the same options: what is left out is not compared, and layers are blocks where they are named."""
    run, good = runs(tmp_path, factor=4.0)
    assert seen(run, baseline=good, exclude=["h.1.*"]) == []
    assert [one.block for one in check(run, baseline=good, group_depth=1).findings] == ["h"]


def test_wrappers_do_not_matter(tmp_path: Path) -> None:
    """A run under the wrapper of a training tool is compared with one without it."""
    run, good = runs(tmp_path, factor=4.0, prefix="module.")
    report = check(run, baseline=good)
    assert [one.block for one in report.findings] == ["h.1"]
    assert "baseline" not in notes(report)


def test_what_the_baseline_lacks_is_noted(tmp_path: Path) -> None:
    """Tensors that only the run has are noted, with their blocks, and not compared."""
    run, good = runs(tmp_path, extra={"h.3.w": np.arange(1.0, 9.0), "head.w": np.ones(3)})
    report = check(run, baseline=good, ignore=["unchanged"])
    assert report.findings == []
    assert notes(report)["baseline"] == (
        f"{good}: lacks 2 of 8 tensors of the run, which are not compared with it: h.3, head"
    )


def test_another_model_is_refused(tmp_path: Path) -> None:
    """A baseline without any tensor of the run is an error."""
    run, good = runs(tmp_path, prefix="other.")
    with pytest.raises(InputError, match="holds no tensor of the run"):
        check(run, baseline=good)


def test_few_dumps_are_noted(tmp_path: Path) -> None:
    """A baseline of fewer than five dumps tells no spread, which is noted."""
    run, good = runs(tmp_path, steps=3)
    report = check(run, baseline=good / "step_0.npz")
    assert notes(report)["baseline-few"].endswith(
        "holds 1 dump, too few for a spread: norms are unlike its own from ten times on"
    )
    assert "baseline-steps" in notes(report)


def test_steps_beyond_are_noted(tmp_path: Path) -> None:
    """Steps that the baseline does not reach are compared with its last, which is noted."""
    run, good = runs(tmp_path)
    for step in (6, 7):
        (good / f"step_{step}.npz").unlink()
    assert notes(check(run, baseline=good))["baseline-steps"] == (
        f"{good}: has steps 0 to 5; 2 steps of the run beyond them, up to 7, are compared with the nearest"
    )


def test_a_broken_baseline(tmp_path: Path) -> None:
    """A dump of the baseline that cannot be read ends it, or with --keep-going is left out and named."""
    run, good = runs(tmp_path, factor=4.0)
    path = good / "step_7.npz"
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(InputError, match="step_7"):
        check(run, baseline=good)
    report = check(run, baseline=good, keep_going=True)
    assert ([one.block for one in report.findings], len(report.failed), report.dumps) == (["h.1"], 1, 8)


def test_the_rule_cannot_be_ignored(tmp_path: Path) -> None:
    """A baseline whose rule is ignored would be read for nothing."""
    run, good = runs(tmp_path)
    with pytest.raises(UsageError, match="exclude each other"):
        check(run, baseline=good, ignore=["unlike-baseline"])


def test_copies_in_the_files_of_the_good_run_alone(tmp_path: Path) -> None:
    """`replicated` may be about either run: here each rank of the good one wrote all of a tensor, which counts once."""
    (tmp_path / "run").mkdir()
    for step in range(8):
        array = np.full((2, 3), 1 + step % 2 / 10, np.float32)
        save_as(tmp_path / "run" / f"step_{step}.npz", {"h.0.w": array})
        folder = tmp_path / "good" / f"step_{step}"
        folder.mkdir(parents=True)
        for rank in (1, 2):
            shard(folder, rank, {"h.0.w": ((0, 0), array)})
    run, good = tmp_path / "run", tmp_path / "good"
    assert check(run, baseline=good, replicated=["h.*"]).findings == []
    with pytest.raises(UsageError, match="--replicated is for tensors that several files hold"):
        check(run, baseline=run, replicated=["h.*"])
