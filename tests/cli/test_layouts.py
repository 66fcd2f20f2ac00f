"""Dumps in several files at the command line: what is taken is said, and what does not fit is one line and an exit code."""

import json
import subprocess
from pathlib import Path

import h5py
import numpy as np
import pytest
from laws.layouts import shard
from safetensors.numpy import load_file, save_file
from support.command import GRADCLIP, Run, Save

NORMS = ("--by", "step", "-f", "csv", "--columns", "step,norm")
CLIP = ("-s", "clip-by-global-norm", "-t", "1", "-q")
W = np.array([[3.0], [4.0], [12.0]], np.float32)
"""Its norm is 13."""


@pytest.fixture
def shards(save: Save) -> Path:
    """Two steps of two ranks each, with rows of one tensor; `bias`, of norm 0, is on both."""
    for step in (1, 2):
        folder = Path(f"run/step-{step}")
        folder.mkdir(parents=True)
        for rank, rows in ((1, slice(2)), (2, slice(2, 3))):
            bias = np.zeros(2, np.float32)
            shard(folder, rank, {"w": ((rows.start or 0, 0), W[rows] * step), "bias": ((0,), bias)})
    return Path("run")


@pytest.mark.parametrize("given", ["run", "run/step-1", "run/step-1/shard-00002-model-00001-of-00001.safetensors"])
def test_shards_of_ranks_are_dumps(shards: Path, run: Run, given: str) -> None:
    """Whatever is given of them, norms are those of whole tensors."""
    result = run("stats", given, *NORMS)
    expected = ["step,norm", "1,13.0", "2,26.0"][: 3 if given == "run" else 2]
    assert (result.code, result.out.split(), result.err) == (0, expected, "")


def test_shards_from_a_list(shards: Path, run: Run) -> None:
    """A list may name any one file of each dump."""
    Path("list").write_text(
        "".join(f"{path}/shard-00001-model-00001-of-00001.safetensors\n" for path in shards.iterdir())
    )
    assert run("stats", "--files-from", "list", *NORMS).out.split() == ["step,norm", "1,13.0", "2,26.0"]


def test_shards_come_out_as_they_came(shards: Path, run: Run) -> None:
    """Both files of a step are multiplied by one factor, and hold the same metadata; copies are written, too."""
    assert run("apply", "run", "-o", "new", *CLIP).code == 0
    for step in (1, 2):
        files = [f"step-{step}/shard-0000{rank}-model-00001-of-00001.safetensors" for rank in (1, 2)]
        for file, rows in zip(files, (W[:2], W[2:]), strict=True):
            np.testing.assert_allclose(load_file(f"new/{file}")["w"], rows / 13, rtol=1e-6)
            assert load_file(f"new/{file}")["bias"].tolist() == [0, 0]
    assert run("stats", "new", *NORMS).code == 0
    assert run("diff", "run/step-1", "run/step-1/shard-00001-model-00001-of-00001.safetensors").code == 0


def test_a_lost_shard_is_exit_3(shards: Path, run: Run) -> None:
    """What has holes is refused in one line, and nothing is written."""
    (shards / "step-2" / "shard-00001-model-00001-of-00001.safetensors").unlink()
    for argv in (("stats", "run"), ("apply", "run", "-o", "new", *CLIP), ("diff", "run/step-1", "run/step-2")):
        result = run(*argv)
        assert (result.code, result.out) == (3, "")
        assert (
            "run/step-2/shard-00002-model-00001-of-00001.safetensors: w: its pieces hold 1 of the 3 elements"
            in result.err
        )
        assert result.err.count("\n") == 1
    assert not Path("new").exists()


def test_copies_that_differ_are_exit_3(shards: Path, run: Run) -> None:
    """Copies are compared in every command that reads elements, and both files are named."""
    shard(shards / "step-1", 2, {"w": ((2, 0), W[2:]), "bias": ((0,), np.ones(2, np.float32))})
    save_file({"bias": np.zeros(2, np.float32)}, "bias.safetensors")
    for argv in (("stats", "run/step-1"), ("check", "run"), ("diff", "run/step-1", "bias.safetensors")):
        result = run(*argv)
        assert result.code == 3
        assert "shard-00002-model-00001-of-00001.safetensors: bias: is not the same as in shard-00001" in result.err


def test_params_of_steps_one_folder_further_down(save: Save, run: Run) -> None:
    """Folders on the way are made; if anything fails, none is left."""
    for step in (1, 2):
        Path(f"run/step{step}/x").mkdir(parents=True)
        for name in "ab":
            save_file({"g": np.full(2, step, np.float32)}, f"run/step{step}/x/{name}_first2.safetensors")
    result = run("apply", "run/step1/x", "run/step2/x", "-o", "new", *CLIP)
    assert result.code == 0
    assert "run/step1/x: only the first 2 rows of each tensor were saved" in result.err
    assert {str(path) for path in Path("new").rglob("*.safetensors")} == {
        f"new/step{step}/x/{name}_first2.safetensors" for step in (1, 2) for name in "ab"
    }
    assert run("apply", *sorted(Path("run").glob("*/x/*")), "-o", "files", *CLIP).code == 0
    kept = "step2/x/b_first2.safetensors"
    assert Path("files", kept).read_bytes() == Path("new", kept).read_bytes()
    Path("run/step2/x/b_first2.safetensors").write_bytes(b"damaged")
    assert run("apply", "run/step1/x", "run/step2/x", "-o", "other", *CLIP).code == 3
    assert not Path("other").exists()


def test_files_of_parameters_of_several_steps(save: Save, run: Run) -> None:
    """Files that a shell has found are one dump for each folder of them, and come out in folders of the same names."""
    for step in (1, 2):
        Path(f"run/step{step}/x").mkdir(parents=True)
        for name in "ab":
            save_file({"gradient": np.full(2, step, np.float32)}, f"run/step{step}/x/{name}.safetensors")
    files = sorted(Path("run").glob("*/x/*"))
    assert run("stats", *files, *NORMS).out.split() == ["step,norm", "1,2.0", "2,4.0"]
    assert run("apply", *files, "-o", "new", *CLIP).code == 0
    assert sorted(Path("new").rglob("*.safetensors")) == [Path("new", *path.parts[1:]) for path in files]
    assert run("stats", "new", *NORMS).code == 0


def test_parts_are_said_even_if_quiet(save: Save, run: Run) -> None:
    """Files with different tensors of one step are one dump of norm 5, and the user is told."""
    for k, value in enumerate((3.0, 4.0)):
        save(f"step_7_stage{k}.safetensors", **{f"layers.{k}.w": [value]})
    result = run("stats", ".", *NORMS, "-q")
    assert (result.code, result.out.split()) == (0, ["step,norm", "7,5.0"])
    assert result.err == (
        "note: ./step_7_stage0.safetensors: is one dump with step_7_stage1.safetensors, 2 parts of one step with different "
        "tensors; give each alone to take it for a dump\n"
    )


def test_keras_shards_and_their_index_come_out(save: Save, run: Run) -> None:
    """The index is an input like any dump, and is written beside the shards."""
    groups = {}
    for k, value in enumerate((3.0, 4.0)):
        with h5py.File(f"m_{k:05d}.weights.h5", "w") as file:
            file[f"layers/dense_{k}/vars/0"] = np.full(1, value, np.float32)
            groups[f"/layers/dense_{k}/vars"] = f"m_{k:05d}.weights.h5"
    Path("m.weights.json").write_text(json.dumps({"weight_map": groups}))
    for given in ("m.weights.json", "."):
        assert run("stats", given, "--by", "step", "-f", "csv", "--columns", "norm").out.split() == ["norm", "5.0"]
    assert run("apply", "m.weights.json", "-o", "out", *CLIP).code == 0
    assert Path("out/m.weights.json").read_bytes() == Path("m.weights.json").read_bytes()
    with h5py.File("out/m_00001.weights.h5") as file:
        assert file["layers/dense_1/vars/0"][0] == pytest.approx(0.8, rel=1e-6)


def test_standard_input_is_no_dump_of_several_files(save: Save) -> None:
    """An index on standard input cannot say where its shards lie, and a shard there is taken alone, with a note."""
    Path("i").write_text('{"weight_map": {"w": "a"}}')
    path = shard(Path(), 2, {"w": ((4, 0), W)})
    for name, code, text in (
        ("i", 3, "is a JSON text; give the files of numbers"),
        (path, 0, "holds pieces of tensors"),
    ):
        done = subprocess.run(
            [*GRADCLIP, "stats", "-"], input=Path(name).read_bytes(), capture_output=True, check=False, timeout=60
        )
        assert done.returncode == code
        assert text in done.stderr.decode()
