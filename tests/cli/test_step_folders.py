"""Series in folders of their steps: each dump keeps its folder, and files of ranks are one dump for each step."""

import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from support.command import Run, Save

GLOBAL = ("-s", "clip-by-global-norm")


@pytest.fixture
def checkpoints(save: Save) -> None:
    """Three folders with a dump of the same name each, of the norms 5, 10 and 15."""
    for step in (1, 2, 3):
        Path(f"run/checkpoint-{step}").mkdir(parents=True)
        save(f"run/checkpoint-{step}/g.safetensors", **{"a.w": np.array([3 * step, 4 * step], np.float32)})


def test_outputs_keep_their_step_folder(checkpoints: None, run: Run) -> None:
    """Dumps of one name go to folders called as those that they came from."""
    assert run("apply", "run", "-o", "out", *GLOBAL, "-t", "5").code == 0
    norms = [
        np.linalg.norm(safetensors.numpy.load_file(f"out/checkpoint-{step}/g.safetensors")["a.w"]) for step in (1, 2, 3)
    ]
    assert norms == pytest.approx([5, 5, 5], rel=1e-6)
    assert sorted(str(path) for path in Path("out").rglob("*")) == sorted(
        f"out/checkpoint-{step}{name}" for step in (1, 2, 3) for name in ("", "/g.safetensors")
    )


def test_sets_of_shards_keep_their_step_folder(save: Save, run: Run) -> None:
    """All files of a set, and its index, go to one folder."""
    for step in (1, 2):
        folder = Path(f"run/checkpoint-{step}")
        folder.mkdir(parents=True)
        for k, layer in enumerate("ab", 1):
            save(f"{folder}/model-0000{k}-of-00002.safetensors", **{f"{layer}.w": [3.0 * step]})
        index = {f"{layer}.w": f"model-0000{k}-of-00002.safetensors" for k, layer in enumerate("ab", 1)}
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    assert run("apply", "run", "-o", "out", *GLOBAL, "-t", "1").code == 0
    names = {"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json"}
    assert {path.name for path in Path("out/checkpoint-2").iterdir()} == names
    assert run("stats", "out", "--by", "step").code == 0


def test_nothing_is_left_where_one_fails(checkpoints: None, run: Run) -> None:
    """No output and no folder is left where a dump cannot be read to its end, or an output exists."""
    path = Path("run/checkpoint-3/g.safetensors")
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert run("apply", "run", "-o", "out", *GLOBAL, "-t", "5").code == 3
    assert not Path("out").exists()
    path.write_bytes(whole)
    Path("out/checkpoint-2").mkdir(parents=True)
    Path("out/checkpoint-2/g.safetensors").write_text("mine")
    result = run("apply", "run", "-o", "out", *GLOBAL, "-t", "5")
    assert (result.code, Path("out/checkpoint-2/g.safetensors").read_text()) == (5, "mine")
    assert [path.name for path in Path("out").iterdir()] == ["checkpoint-2"]


def test_other_equal_names_are_wrong_usage(save: Save, run: Run) -> None:
    """Folders that are not called after steps are not kept, and the error says what to do."""
    for folder in ("one", "two"):
        Path(folder).mkdir()
        save(f"{folder}/g.safetensors", w=[1.0])
    result = run("apply", "one/g.safetensors", "two/g.safetensors", "-o", "out", *GLOBAL, "-t", "5")
    assert result.code == 2
    assert "apply to each alone" in result.err


@pytest.fixture
def ranks(save: Save) -> None:
    """Two steps of two ranks: the norm of the dumps is 5 and 10."""
    for step in (1, 2):
        Path(f"run/step_{step}").mkdir(parents=True)
        for rank, value in enumerate((3.0, 4.0)):
            save(f"run/step_{step}/rank{rank}.safetensors", **{"a.w": [value * step]})


def test_ranks_are_one_dump_for_each_step(ranks: None, run: Run) -> None:
    """With --shards the files of each step are a dump of their own, and are written to their own folder."""
    found = run("stats", "run", "--shards", "-f", "json")
    assert [(dump["step"], dump["norm"]) for dump in json.loads(found.out)["dumps"]] == [(1, 5.0), (2, 10.0)]
    assert found.err == ""
    assert json.loads(run("check", "run", "--shards", "-f", "json").out)["dumps"] == 2
    assert run("apply", "run", "-o", "out", "--shards", *GLOBAL, "-t", "5").code == 0
    values = [safetensors.numpy.load_file(f"out/step_2/rank{rank}.safetensors")["a.w"][0] for rank in (0, 1)]
    assert values == pytest.approx([3, 4], rel=1e-6)


def test_files_that_name_step_and_rank(save: Save, run: Run) -> None:
    """Steps are told by the names of files too."""
    for step in (1, 2):
        for rank, value in enumerate((3.0, 4.0)):
            save(f"step{step}_rank{rank}.npz", w=[value * step])
    dumps = json.loads(run("stats", ".", "--shards", "-f", "json").out)["dumps"]
    assert [dump["norm"] for dump in dumps] == [5.0, 10.0]


def test_a_missing_rank_is_wrong_usage(ranks: None, run: Run) -> None:
    """Steps of unlike numbers of ranks are refused by name."""
    Path("run/step_2/rank1.safetensors").unlink()
    result = run("stats", "run", "--shards")
    assert result.code == 2
    assert "step 2 has 1 file and step 1 has 2 files" in result.err


@pytest.mark.parametrize("command", ["stats run", "check run", "apply run/step_1 --dry-run -s none"])
def test_ranks_without_the_option_are_refused(command: str, ranks: None, run: Run) -> None:
    """Files of one step are never quietly two dumps: it is wrong usage that names the options."""
    result = run(*command.split())
    assert result.code == 2
    assert "run/step_1/rank0.safetensors and rank1.safetensors are both of step 1" in result.err
    assert all(option in result.err for option in ("--accumulate", "--shards", "--repeated"))
    assert run(*command.split(), "--shards").code == 0


def test_a_set_of_shards_is_no_rank(save: Save, run: Run) -> None:
    """--shards over an index, or files numbered as a set, is told to be left out."""
    for k in (1, 2):
        save(f"m-0000{k}-of-00002.safetensors", **{f"w{k}": [1.0]})
    Path("m.safetensors.index.json").write_text(
        json.dumps({"weight_map": {f"w{k}": f"m-0000{k}-of-00002.safetensors" for k in (1, 2)}})
    )
    for argv in (["m.safetensors.index.json"], sorted(str(path) for path in Path().glob("m-*"))):
        result = run("stats", *argv, "--shards")
        assert result.code == 2
        assert "one dump with all its files already; leave it out" in result.err
        assert "two ranks" not in result.err
