"""Series of which some dumps are broken, or differ."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from support.command import Run, Save
from support.official import savez


@pytest.fixture
def broken_series(save: Save) -> None:
    """Three steps in the working directory, of which the second is cut short."""
    for step in (1, 2, 3):
        savez(f"step_{step}.npz", a=np.array([3 * step], np.float32), **({"b": np.ones(2)} if step == 3 else {}))
    Path("step_2.npz").write_bytes(Path("step_2.npz").read_bytes()[:-30])


def test_a_broken_dump_ends_it(broken_series: None, run: Run) -> None:
    """Without an option nothing is shown."""
    result = run("stats", ".")
    assert (result.code, result.out) == (3, "")


def test_the_rest_is_worth_having(broken_series: None, run: Run) -> None:
    """With --keep-going the other dumps are shown, and the exit code is 3 all the same."""
    result = run("stats", ".", "--keep-going", "--allow-missing", "-f", "json")
    assert result.code == 3
    assert "1 of 3 dumps left out" in result.err
    assert "step_2.npz" in result.err
    assert [dump["norm"] for dump in json.loads(result.out)["dumps"]] == [3.0, math.sqrt(81 + 2)]


def test_dumps_that_differ_are_refused(broken_series: None, run: Run) -> None:
    """A tensor that another dump lacks is named, unless the dumps may differ."""
    result = run("stats", "step_1.npz", "step_3.npz")
    assert result.code == 3
    assert "also has b" in result.err
    assert run("stats", "step_1.npz", "step_3.npz", "--allow-missing").code == 0


@pytest.mark.parametrize("argv", ["", "--by layer", "--by total --by step"])
def test_dumps_without_gradients_are_told_in_one_line(argv: str, save: Save, run: Run) -> None:
    """Rather than tables of nothing there is one line, in Markdown a heading."""
    save("g.npz", count=np.array([3]))
    found = run("stats", "g.npz", *argv.split())
    assert (found.code, found.out, found.err) == (0, "no gradients: 1 tensor of int64\n", "")
    assert run("stats", "g.npz", *argv.split(), "-f", "md").out.strip() == f"## {found.out.strip()}"


def test_what_is_advised_stands_beside_what_is_suggested(save: Save, run: Run) -> None:
    """Where the advice is another threshold than that of the rule, the row of the suggestion says so; nobody has to compare."""
    for k, norm in enumerate([1.0, 1.1, 0.9] * 4 + [200.0]):
        save(f"step_{k}.npz", **{"a.w": [norm]})
    found = run("stats", ".", "--by", "total", "--by", "layer").out
    rows = [line for line in found.splitlines() if line.startswith("clip-by-global-norm  ")]
    assert [line.endswith("mad:5 would be 1.741, as advised") for line in rows[-1:]] == [True]
    assert "the mean is led by a few large norms; mad:5 would be 1.741  --layer 'a=:16.31'" in found


@pytest.mark.parametrize("option", ["", "--keep-going", "--allow-missing"])
def test_a_broken_dump_among_those_skipped(option: str, broken_series: None, run: Run) -> None:
    """--skip-steps counts dumps, not those that can be read: a broken one among the first is passed over, and no error."""
    result = run("stats", ".", "--skip-steps", "2", "-f", "json", *option.split())
    assert (result.code, result.err) == (0, "")
    assert [dump["step"] for dump in json.loads(result.out)["dumps"]] == [3]


def test_the_steps_that_are_skipped_are_the_first_ones(broken_series: None, run: Run) -> None:
    """In whatever order the dumps are given, the first ones are those of the lowest steps."""
    result = run("stats", "step_3.npz", "step_2.npz", "step_1.npz", "--skip-steps", "2", "-f", "json")
    assert [dump["step"] for dump in json.loads(result.out)["dumps"]] == [3]


@pytest.mark.parametrize(
    ("third", "told"),
    [
        ({"a.w": [3.0]}, "has other tensors than the first dump: it lacks b.w"),
        ({"a.w": [3.0], "b.w": [1.5], "c.w": [1.0]}, "has other tensors than the first dump: it also has c.w"),
        ({"x.w": [3.0], "b.w": [1.5]}, "has other tensors than the first dump: it lacks a.w and also has x.w"),
    ],
)
@pytest.mark.parametrize("rule", ["mean", "autoclip"])
def test_dumps_that_differ_are_refused_by_every_command(
    rule: str, third: dict[str, list[float]], told: str, save: Save, run: Run
) -> None:
    """`stats`, `check`, and `apply` with a rule over all dumps refuse them in the same words, unless they may differ."""
    for step in (1, 2):
        save(f"step_{step}.npz", **{"a.w": [1.0 * step], "b.w": [1.0 + step]})
    save("step_3.npz", **third)
    error = f"step_3.npz: {told}; give --allow-missing to count in each dump what it has"
    apply = ("apply", ".", "--dry-run", "-s", "clip-by-global-norm", "-t")
    for argv in (("stats", "."), ("check", "."), (*apply, rule), (*apply, "1", "--layer", f"b=:{rule}")):
        result = run(*argv)
        assert (result.code, result.out, error in result.err) == (3, "", True)
        result = run(*argv, "--allow-missing")
        assert (result.code, result.err.count("note: "), "missing in some dumps" in result.err) == (0, 1, True)
    assert run(*apply, "1").err == ""


def test_other_shapes_are_told_by_every_command(save: Save, run: Run) -> None:
    """`stats` refuses them; `check`, and `apply` with a rule over all of them, go on and say it in the same words."""
    for step, values in enumerate(([1.0], [2.0], [3.0, 1.0])):
        save(f"step_{step}.npz", **{"a.w": values, "b.w": [1.5 + step]})
    told = "step_2.npz: has other shapes than the first dump: a.w is (2,), not (1,)"
    result = run("stats", ".")
    assert (result.code, told in result.err) == (3, True)
    for argv in (("check", "."), ("apply", ".", "--dry-run", "-s", "clip-by-global-norm", "-t", "mean")):
        result = run(*argv)
        assert (result.code, result.err.count("note: "), told in result.err) == (0, 1, True)
    assert run("apply", ".", "--dry-run", "-s", "clip-by-global-norm", "-t", "1").err == ""


def test_the_number_is_that_of_what_each_dump_has(save: Save, run: Run) -> None:
    """With --allow-missing the printed threshold is the mean of the norms of the whole dumps: 5, 12 and 13."""
    for step, tensors in enumerate(({"a.w": [3.0], "b.w": [4.0]}, {"b.w": [12.0]}, {"a.w": [5.0], "c.w": [12.0]})):
        save(f"step_{step}.npz", **tensors)
    argv = ("stats", ".", "--allow-missing", "-s", "clip-by-global-norm")
    assert run(*argv, "--print-threshold").out == "10.0\n"
    table = run(*argv, "-f", "csv", "--columns", "scope,name,count,norm").out
    assert "param,c.w,1,\n" in table
    assert "param,a.w,2,\n" in table
    assert [line for line in table.splitlines() if line.startswith("step")] == [
        "step,,,5.0",
        "step,,,12.0",
        "step,,,13.0",
    ]


def test_a_step_inside_a_file_is_named(save: Save, run: Run) -> None:
    """Where a file holds the steps, the error says which of them differs."""
    save("g.npz", **{"step_1/a/w": [1.0], "step_1/b/w": [1.0], "step_2/a/w": [2.0]})
    assert "step 2 has other tensors than the first dump: it lacks b/w" in run("stats", "g.npz").err
