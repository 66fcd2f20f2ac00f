"""The command `show`: its exit codes, its rows, and what it refuses."""

import json
from pathlib import Path

import numpy as np
import pytest
from support.command import Run, Save
from support.official import savez


@pytest.mark.parametrize(
    ("argv", "code", "said"),
    [
        ([], 2, "Missing argument 'DUMP'"),
        (["none.npz"], 3, "none.npz: does not exist"),
        (["g.safetensors", "weight"], 2, "TENSOR weight matches no tensor; '*weight*' would match 2"),
        (["g.safetensors", "lstm.wieght"], 2, "did you mean lstm.weight?"),
        (["g.safetensors", "step.count"], 2, "g.safetensors: step.count is int64, and no gradient"),
        (["g.safetensors", "--by", "bin"], 2, "--by bin shows the values of one tensor; name it after the dump"),
        (
            ["g.safetensors", "--by", "layer"],
            2,
            "show has no tables by layer; it has them by total, block, kind, param, bin",
        ),
        (["g.safetensors", "--along", "0"], 2, "--along"),
        (["g.safetensors", "lstm.weight", "--step", "9"], 2, "--steps"),
        (["g.safetensors", "--shards"], 2, "--shards needs the files of two ranks or more"),
        (["g.safetensors", "--include", "nothing*"], 2, "--include 'nothing*' matches no tensor"),
        (["g.safetensors", "lstm.weight", "-f", "csv", "--columns", "norm"], 2, "there is no column 'norm'"),
        (["g.safetensors"], 0, ""),
        (["g.safetensors", "lstm.weight"], 0, ""),
        (["g.safetensors", "lstm.*"], 0, ""),
        (["g.safetensors", "--include", "lstm.*", "lstm.weight", "-q"], 0, ""),
    ],
)
def test_what_is_asked_for(network: Path, run: Run, argv: list[str], code: int, said: str) -> None:
    """What cannot be shown is refused in one line; all else is shown without a word."""
    result = run("show", *argv)
    assert result.code == code
    assert said in result.err
    assert (result.err == "") == (code == 0)
    assert (result.out == "") == (code != 0)


def test_rows_of_a_dump(network: Path, run: Run) -> None:
    """Rows in csv are the tensors, the blocks and the whole, the largest first; what is no gradient comes last."""
    result = run("show", network, "-f", "csv", "--columns", "scope,name,block,tensors,norm,zeros")
    assert result.out.splitlines() == [
        "scope,name,block,tensors,norm,zeros",
        "param,lstm.bias,lstm,,12.0,1",
        "param,lstm.weight,lstm,,5.0,2",
        "param,head.weight,head,,0.500000011920929,0",
        "param,step.count,step,,,",
        "block,,lstm,2,13.0,3",
        "block,,head,1,0.500000011920929,0",
        "total,,,3,13.009611831715846,3",
    ]


def test_bins_of_a_tensor(network: Path, run: Run) -> None:
    """Rows of one tensor are its bins; a pattern has rows of tensors even if it matches one."""
    result = run("show", network, "lstm.weight", "-f", "csv", "--columns", "low,high,count,positive,negative")
    assert result.out.splitlines() == ["low,high,count,positive,negative", "3.0,3.25,1,1,0", "3.25,3.5,0,0,0",
                                       "3.5,3.75,0,0,0", "3.75,4.0,0,0,0", "4.0,4.5,1,1,0"]  # fmt: skip
    result = run("show", network, "*weight", "-f", "csv", "--columns", "scope,name,norm")
    assert [line.rpartition(",")[0] for line in result.out.splitlines()[1:3]] == [
        "param,lstm.weight",
        "param,head.weight",
    ]


def test_tables_are_sorted_and_cut(network: Path, run: Run) -> None:
    """--by shows tables, which --sort and --top arrange."""
    result = run("show", network, "--by", "param", "--sort", "max_abs", "--top", "1")
    lines = result.out.splitlines()
    assert lines[0] == "tensors by norm"
    assert [line.split()[0] for line in lines[3:] if line] == ["head.weight", "─" * 11, "total"]


def test_json_has_the_values(save: Save, run: Run) -> None:
    """JSON of a tensor holds its values, percentiles, limits and bins; without a tensor these keys are left out."""
    path = save("step_5.npz", w=np.array([[1, -2], [0, np.inf]], np.float16), n=np.array([3]))
    found = json.loads(run("show", path, "w", "--json").out)
    assert (found["schema"], found["step"], found["tensor"]) == ("gradclip.show/1", 5, "w")
    assert found["total"]["norm"] == "inf"
    assert found["values"] == {
        "name": "w",
        "positive": 1,
        "negative": 1,
        "zeros": 1,
        "nan": 0,
        "posinf": 1,
        "neginf": 0,
        "subnormal": 0,
        "max_abs": 2.0,
        "max_at": {"index": [0, 1], "file": None},
        "min_abs": 1.0,
        "min_at": {"index": [0, 0], "file": None},
        "nan_at": None,
        "inf_at": {"index": [1, 1], "file": None},
    }
    assert [row["low"] for row in found["percentiles"]] == [0, 0, 0, 0, 1, 2, 2, 2, 2]
    assert [(row["dtype"], row["lost"], row["overflow"]) for row in found["bands"]] == [
        (name, 0, 0) for name in ("float16", "bfloat16", "float8_e4m3fn", "float8_e5m2")
    ]
    assert {row["count"] for row in found["bins"]} == {0, 1}
    whole = json.loads(run("show", path, "--json").out)
    assert not {"values", "percentiles", "bands", "bins"} & whole.keys()
    assert [(row["name"], row["norm"]) for row in whole["params"]] == [("w", "inf"), ("n", None)]


def test_a_dump_of_a_folder_is_chosen_by_its_step(save: Save, run: Run) -> None:
    """A folder of several dumps needs a step; the error gives one of them as an example."""
    for step in (1, 2):
        save(f"step_{step}.npz", w=[step])
    result = run("show", ".")
    assert result.code == 2
    assert "holds 2 dumps; give one dump, such as ./step_1.npz, or one step by --step 1" in result.err
    assert json.loads(run("show", ".", "--step", "2", "w", "--json").out)["total"]["norm"] == 2.0


def test_standard_input(save: Save, spawn: Run) -> None:
    """A dump from standard input is shown, also where a tensor is named."""
    path = save("g.safetensors", w=[3, 4])
    with open(path, "rb") as file:
        result = spawn("show", "-", "w", "--by", "total", stdin=file)
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines()[3].split()[:2] == ["total", "5"]


def test_progress_is_of_one_reading(network: Path, run: Run) -> None:
    """Nothing but the screen is written, as a table is."""
    result = run("show", network)
    assert result.out.splitlines()[0].startswith("g.safetensors")
    assert result.err == ""


def test_the_total_says_what_it_is_of(network: Path, run: Run) -> None:
    """Where a tensor or a pattern is named, the total is of what that is, and not of the dump."""
    titles = {
        (): "all of the dump",
        ("lstm.*",): "all that match lstm.*",
        ("lstm.weight",): "lstm.weight",
        ("*weight", "--include", "lstm*"): "lstm.weight",
    }
    for argv, title in titles.items():
        assert title in run("show", "g.safetensors", *argv, "--by", "total").out.splitlines()[0]


def test_ratios_stand_wherever_norms_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    """With weights, the values of a tensor, each table and the whole have ‖g‖ / ‖w‖, and lr times that; the next command keeps them."""
    monkeypatch.chdir(tmp_path)
    savez(tmp_path / "g.npz", **{"a.w": np.array([3.0, 4.0]), "b.w": np.array([0.0, 12.0])})
    savez(tmp_path / "w.npz", **{"a.w": np.array([30.0, 40.0]), "b.w": np.array([0.0, 48.0])})
    words = ("g.npz", "--weights", "w.npz", "--lr", "0.1", "--allow-missing")
    screen = run("show", *words).out
    assert "|g|/|w| 0.1876   update 0.01876" in " ".join(screen.split("\n"))
    assert screen.splitlines()[-1] == "Next: gradclip show g.npz --allow-missing --weights w.npz --lr 0.1 b.w"
    assert "|w| 50   |g|/|w| 0.1   update 0.01" in run("show", *words, "a.w").out
    for kind, name in (("param", "a.w"), ("block", "a"), ("kind", "a")):
        table = run("show", *words, "--by", kind).out
        rows = {cells[0]: cells[-3:] for line in table.splitlines() if (cells := line.split())}
        assert (rows[name], rows["total"]) == (["50", "0.1", "0.01"], ["69.31", "0.1876", "0.01876"])
    assert run("show", *words[:3], "--by", "total").out.split()[-2:] == ["69.31", "0.1876"]
