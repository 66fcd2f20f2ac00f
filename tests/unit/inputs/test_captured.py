"""What a captured file says of itself changes what its norms are taken for."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

import gradclip_cli
from gradclip_cli.inputs.captured import stage_notes, stood_out

OURS = {"gradclip": "capture/1"}


@pytest.mark.parametrize(
    ("facts", "outstanding", "kinds"),
    [
        ({"reason": "every", "stage": "before-clip", "every": "1"}, False, []),
        ({"reason": "spike", "stage": "before-clip", "every": "500"}, True, []),
        ({"reason": "nonfinite"}, True, []),
        ({"reason": "every", "every": "500"}, False, ["every"]),
        ({"stage": "after-clip"}, False, ["after-clip"]),
        ({"every": "many"}, False, []),
    ],
)
def test_what_a_file_says(facts: Mapping[str, str], outstanding: bool, kinds: list[str]) -> None:
    """Only files that were captured are believed, whatever others say under the same keys."""
    assert stood_out({**OURS, **facts}) is outstanding
    assert [note.kind for note in stage_notes("g", {**OURS, **facts})] == kinds
    assert not stood_out(facts)
    assert stage_notes("g", facts) == []


def run(folder: Path, norms: Mapping[int, tuple[float, str]]) -> Path:
    """Write steps of these norms, captured for these reasons."""
    folder.mkdir()
    for step, (norm, reason) in norms.items():
        facts = {**OURS, "step": str(step), "reason": reason, "stage": "before-clip", "every": "10"}
        save_file({"w": np.array([[norm, 0.0]], np.float32)}, folder / f"step_{step:08}.safetensors", facts)
    return folder


@pytest.fixture
def captured(tmp_path: Path) -> Path:
    """Provide a run of which every tenth step, and a spike with the step before it, was written."""
    every = {step: (1.0 + step / 64, "every") for step in range(0, 50, 10)}
    return run(tmp_path / "run", every | {26: (1.0, "spike"), 27: (500.0, "spike")})


def test_thresholds_are_from_steps_whose_turn_it_was(captured: Path) -> None:
    """The mean of five norms is 1.3125; the spike is in the table, and exploding, but bends no threshold and no clip rate."""
    report = gradclip_cli.stats(captured)
    mean = next(one for one in report.candidates if one.rule == "mean" and one.strategy == "clip-by-global-norm")
    assert mean.threshold == 1.3125
    assert mean.clip_rate == 2 / 5
    assert [dump.step for dump in report.dumps] == [0, 10, 20, 26, 27, 30, 40]
    assert report.total.max == 500.0
    (note,) = [note.text for note in report.notes if note.kind == "captured"]
    assert note.startswith("thresholds and clip rates are from 5 dumps; 2 others captured for a spike")


@pytest.mark.parametrize("rule", ["mean", "auto", "percentile:90"])
def test_apply_chooses_as_stats_does(rule: str, captured: Path, tmp_path: Path) -> None:
    """The threshold of a rule is that of `stats` to the bit, and every dump is clipped by it."""
    report = gradclip_cli.stats(captured, strategy="clip-by-global-norm", rule=rule)
    applied = gradclip_cli.apply(captured, tmp_path / "out", strategy="clip-by-global-norm", threshold=rule)
    assert applied.threshold == report.suggestions[0].threshold
    assert max(dump.norm for dump in gradclip_cli.stats(tmp_path / "out").dumps) == pytest.approx(
        applied.threshold, rel=1e-6
    )


def test_where_all_stood_out_all_count(tmp_path: Path) -> None:
    """A run of which spikes alone were written has thresholds of these."""
    report = gradclip_cli.stats(run(tmp_path / "run", {1: (1.0, "spike"), 2: (3.0, "spike")}))
    assert report.candidates[0].threshold == 2.0
    assert not [note for note in report.notes if note.kind == "captured"]


@pytest.mark.parametrize(("strategy", "stage"), [("clip-by-global-norm", "after-clip"), ("none", "before-clip")])
def test_what_is_clipped_says_so(strategy: str, stage: str, captured: Path, tmp_path: Path) -> None:
    """The output of `apply` says that it was clipped, and keeps all else that the input says of itself."""
    threshold = 1.0 if strategy != "none" else None
    gradclip_cli.apply(captured, tmp_path / "out", strategy=strategy, threshold=threshold)
    for path in captured.iterdir():
        with safe_open(path, "np") as before, safe_open(tmp_path / "out" / path.name, "np") as after:
            assert after.metadata() == {**before.metadata(), "stage": stage}
        assert path.stat().st_size == (tmp_path / "out" / path.name).stat().st_size


def test_a_tensor_of_the_same_words_is_no_stage(tmp_path: Path) -> None:
    """A name that holds what the header says of the stage is left alone."""
    name = '"stage":"before-clip"'
    save_file({name: np.ones(2, np.float32)}, tmp_path / "g.safetensors", {**OURS, "stage": "before-clip"})
    gradclip_cli.apply(tmp_path / "g.safetensors", tmp_path / "out.safetensors", strategy="clip-by-norm", threshold=0.5)
    with safe_open(tmp_path / "out.safetensors", "np") as after:
        assert (list(after.keys()), after.metadata()["stage"]) == ([name], "after-clip")
