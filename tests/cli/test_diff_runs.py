"""The command `diff` on two runs: what it pairs, its exit code, its screen, and what it refuses."""

import json
from pathlib import Path

import numpy as np
import pytest
from support.command import Run, Save


def write(save: Save, run: str, steps: dict[str, float]) -> None:
    """Write a run: dumps by their names, in which `h.1.w` is the number given."""
    Path(run).mkdir()
    for name, value in steps.items():
        save(f"{run}/{name}.npz", **{"h.1.w": [3.0 * value, 4.0 * value], "h.2.w": [1.0]})


@pytest.fixture
def runs(save: Save) -> None:
    """Write `a` of the steps 1 to 4, `b` that parts from it at step 3 and lacks step 4, and others with other names."""
    write(save, "a", {f"step_{k}": 1.0 for k in (1, 2, 3, 4)})
    write(save, "b", {"step_1": 1.0, "step_2": 1.0, "step_3": 2.0})
    write(save, "later", {"step_11": 1.0, "step_12": 1.0})
    write(save, "names", {"x": 1.0, "y": 1.0, "z": 2.0})
    write(save, "others", {"x": 1.0, "y": 2.0, "z": 2.0})
    write(save, "ranks", {"rank0": 1.0, "rank1": 1.0})
    save("one.npz", **{"h.1.w": [3.0, 4.0], "h.2.w": [1.0]})


NOTE = "note: a: has step 4 and the other run has not\n"


def test_screen(runs: None, run: Run) -> None:
    """The screen says when runs part, by how much, and in which blocks."""
    result = run("diff", "a", "b")
    assert (result.code, result.err) == (1, "")
    lines = result.out.splitlines()
    assert lines[:4] == [
        "a (a) and b (b):",
        "1 of 3 steps differ, from step 3 on, in 1 of 2 tensors",
        " only in a  1 step: 4",
        " first      at step 3, 1 tensor: h.1.w",
    ]
    # norms: sqrt(26), sqrt(101); the cosine is 51 / sqrt(26 · 101), |a-b| = 5
    assert lines[4:6] == [" ratio b/a  1.971", " cosine     0.9952"]
    assert [line.split() for line in lines[7:9]] == [
        *[["steps", "that", "differ", "norm", "a", "norm", "b", "ratio", "cosine", "rel", "|a-b|"]],
        ["3", "5.099", "10.05", "1.971", "0.9952", "0.9806"],
    ]
    # of step 3 alone: 5, 10, and both point the same way
    assert lines[10] == " blocks that differ, each at its worst step"
    assert lines[12].split() == ["h.1", "5", "10", "2", "1", "1", "3"]
    assert run("diff", "a", "b", "--by", "step").err == NOTE


def test_a_block_at_its_worst_step(save: Save, run: Run) -> None:
    """A step that was scaled looks scaled, whatever the other steps weigh; the pooled figures are in JSON and `--by block`."""
    vectors = {1: ([30.0, 0.0], [30.0, 0.0]), 2: ([0.0, 400.0], [0.0, 4.0]), 3: ([2.0, 0.0], [1.0, 0.0])}
    for side, at in (("a", 0), ("b", 1)):
        Path(side).mkdir()
        for step, pair in vectors.items():
            save(f"{side}/step_{step}.npz", **{"h.1.w": pair[at]})
    lines = run("diff", "a", "b").out.splitlines()
    assert lines[-2].split() == ["h.1", "400", "4", "0.01", "1", "99", "2"]
    block = json.loads(run("diff", "a", "b", "-f", "json").out)["blocks"][0]
    assert [block[f"worst_{name}"] for name in ("norm_a", "norm_b", "ratio", "cosine", "rel_diff", "step")] == [
        *[400, 4, pytest.approx(0.01, rel=1e-15), pytest.approx(1, rel=1e-15), pytest.approx(99, rel=1e-15), 2]
    ]
    # all steps: (900 + 1600 + 2) / (sqrt(900 + 160,000 + 4) · sqrt(900 + 16 + 1))
    assert block["cosine"] == pytest.approx(2502 / np.sqrt(160904 * 917), rel=1e-12)
    assert run("diff", "a", "b", "--by", "block").out.startswith("blocks, all steps as one\n")


def test_the_side_that_holds_the_nan(save: Save, run: Run) -> None:
    """A row of NaN says which run holds it, of a step and of a block, where no figure can."""
    for side, value in (("a", 1.0), ("b", np.nan)):
        Path(side).mkdir()
        save(f"{side}/step_1.npz", **{"h.1.w": [1.0], "h.2.w": [1.0]})
        save(f"{side}/step_2.npz", **{"h.1.w": [value], "h.2.w": [1.0]})
    lines = run("diff", "a", "b").out.splitlines()
    assert [line.split() for line in lines if "NaN in" in line] == [
        ["2", "1.414", "nan", "-", "-", "NaN", "in", "b"],
        ["h.1", "1", "nan", "-", "-", "NaN", "in", "b", "2"],
    ]


def test_runs_without_a_name_in_common(save: Save, run: Run) -> None:
    """Where no tensor of one run is in the other, that is the answer, with an example of each."""
    for side, name in (("a", "model.h.1.w"), ("b", "h.1.w")):
        Path(side).mkdir()
        for step in (1, 2):
            save(f"{side}/step_{step}.npz", **{name: [1.0]})
    result = run("diff", "a", "b")
    assert result.code == 1
    assert result.out.splitlines()[1] == ("no tensor has the same name in both, such as model.h.1.w in a, h.1.w in b")


def test_equal_runs(runs: None, run: Run) -> None:
    """Runs that are equal are one line, and the exit code is 0; with a tolerance it says which."""
    assert run("diff", "a", "a").out == "equal: 4 steps of 2 tensors, 12 values\n"
    assert run("diff", "a", "a").code == 0
    assert run("diff", "a", "a", "-q").out == ""


@pytest.mark.parametrize(
    ("argv", "code", "note"),
    [
        ("a b", 1, ""),
        ("a b --steps 1:2", 0, ""),
        ("a b --step 3", 1, ""),
        ("a b --step 4:", 2, "takes nothing of the 3 dumps; steps are 1-3"),
        ("a b --rtol 1", 1, ""),
        ("a b --by param", 1, NOTE),
        ("a b --rtol 1 --steps 1:3", 0, ""),
        ("a b -q", 1, ""),
        ("a b --include h.2.w --steps 1:3", 0, ""),
        ("a b --include nosuch", 2, "--include nosuch matches no tensor"),
        (
            "names others",
            1,
            "note: names/x.npz: its name holds no step, so the dumps of both runs are paired in the order",
        ),
        ("names names", 0, "note: names/x.npz: its name holds no step"),
        (
            "names a",
            2,
            "the name of names/x.npz holds no step, and the runs are not equally long: names 3 and a 4 dumps",
        ),
        ("a later", 2, "the runs have no step in common: steps 1-4 in a and steps 11-12 in later"),
        ("a one.npz", 2, "a holds 4 dumps; give one dump, such as a/step_1.npz, or a run on both sides"),
        ("a/step_3.npz b", 2, "b holds 3 dumps; give one dump, such as b/step_3.npz, or --step 3 for both"),
        ("a/step_3.npz b --step 3", 1, ""),
        ("ranks ranks", 2, "ranks holds 2 dumps; give one dump, such as ranks/rank0.npz, or --shards for all ranks"),
        ("a a --by layer", 2, "has no tables by layer"),
        ("one.npz one.npz --by step", 2, "diff has no tables by step; it has them by block, param"),
    ],
)
def test_what_is_paired(argv: str, code: int, note: str, runs: None, run: Run) -> None:
    """Steps are paired by number, or in order where no names hold any; what cannot be paired is wrong usage."""
    result = run("diff", *argv.split())
    assert result.code == code
    assert note in result.err
    assert bool(note) is bool(result.err)


def test_tables(runs: None, run: Run) -> None:
    """`--by` shows the tables of what is not equal, `--all` of everything."""
    out = run("diff", "a", "b", "--by", "step").out
    assert out.startswith("a (a) and b (b): 1 of 3 steps differ, 1 only in a\n")
    assert [line.split()[:3] for line in out.splitlines()[3:5]] == [["3", "differs", "1"], ["4", "only-a", "-"]]
    out = run("diff", "a", "b", "--all").out
    assert [line.split()[:2] for line in out.splitlines() if line.strip()[:1].isdigit()] == [
        *[["1", "same"], ["2", "same"], ["3", "differs"], ["4", "only-a"]]
    ]
    assert "h.2.w  same" in out


def test_json(runs: None, run: Run) -> None:
    """JSON has a row for each step, those of one run too, and the tensors that differ at the first."""
    tree = json.loads(run("diff", "a", "b", "-f", "json").out)
    assert list(tree) == ["schema", "version", "equal", "params", "notes", "blocks", "steps", "first"]
    assert [
        (row["step"], row["status"], row["input_a"], row["input_b"], row["differing"]) for row in tree["steps"]
    ] == [
        (1, "same", "a/step_1.npz", "b/step_1.npz", 0),
        (2, "same", "a/step_2.npz", "b/step_2.npz", 0),
        (3, "differs", "a/step_3.npz", "b/step_3.npz", 1),
        (4, "only-a", "a/step_4.npz", None, None),
    ]
    assert tree["first"] == {
        "step": 3,
        "input_a": "a/step_3.npz",
        "input_b": "b/step_3.npz",
        "params": ["h.1.w"],
    }
    assert tree["params"][0]["norm_b"] == pytest.approx(np.sqrt(25 + 25 + 100), rel=1e-15)


def test_csv(runs: None, run: Run) -> None:
    """csv has the rows of the kinds that are asked for, with their scope."""
    out = run("diff", "a", "b", "-f", "csv", "--by", "step", "--columns", "step,norm_a,differing").out
    assert out.splitlines() == [
        "step,norm_a,differing",
        *(f"{k},5.0990195135927845,{int(k == 3)}" for k in (1, 2, 3)),
        "4,,",
    ]
    out = run("diff", "one.npz", "one.npz", "-f", "csv", "--by", "block", "--columns", "scope,block,tensors").out
    assert out.splitlines() == ["scope,block,tensors", "block,h.1,1", "block,h.2,1"]


def test_steps_that_come_back_in_each_epoch(save: Save, run: Run) -> None:
    """Where steps come back in each epoch, they are paired by both, whatever running numbers they have."""
    write(save, "a", {f"epoch_{e}_step_{s}": 1.0 for e in (0, 1) for s in (0, 5)})
    write(save, "b", {f"epoch_1_step_{s}": 1.0 + s for s in (0, 5)})
    result = run("diff", "a", "b")
    assert result.code == 1
    lines = result.out.splitlines()
    assert lines[1:4] == [
        "1 of 2 steps differ, from epoch 1 step 5 on, in 1 of 2 tensors",
        " only in a  2 steps: epoch 0 step 0, epoch 0 step 5",
        " first      at epoch 1 step 5, 1 tensor: h.1.w",
    ]


def test_a_step_that_is_there_twice(save: Save, run: Run) -> None:
    """Of two dumps of one step it is not known which to compare."""
    write(save, "a", {f"step_{s}_rank{k}": 1.0 for s in (1, 2) for k in (0, 1)})
    result = run("diff", "a", "a", "--repeated", "keep")
    assert (result.code, result.out) == (2, "")
    assert "step 1 is in a/step_1_rank0.npz and a/step_1_rank1.npz; diff pairs steps by number" in result.err
    assert run("diff", "a", "a", "--shards").code == 0
