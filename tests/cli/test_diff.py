"""The command `diff`: its exit code, its table, and what it says beside it."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from support.command import Run, Save


@pytest.fixture
def pair(save: Save) -> tuple[Path, Path]:
    """Write `a.npz` and `b.safetensors`, in which something of every kind is not the same."""
    a = {
        "layers.10.w": [3.0, 4.0],
        "layers.2.w": [1.0, 2.0, 2.0],
        "ids": np.array([2**53 + 1]),
        "old": [5.0],
        "flat": [1.0, 0.0],
    }
    b = {
        "layers.10.w": [6.0, 8.0],
        "layers.2.w": np.array([1.0, 2.0, 2.0]),
        "ids": np.array([2**53]),
        "flat": [[1.0, 0.0]],
    }
    return save("a.npz", **a), save("b.safetensors", **b, new=[[0.5]])


def cells(line: str) -> list[str]:
    """Cut a line of a table into cells."""
    return [cell.strip() for cell in line.split("  ") if cell.strip()]


def test_table(pair: tuple[Path, Path], run: Run) -> None:
    """The table holds what is not the same, in natural order, below a line that counts it."""
    result = run("diff", *pair, "--by", "param")
    title, headings, _, *rows = result.out.splitlines()
    assert (result.code, result.err) == (1, "")
    assert (
        title == "a.npz (a) and b.safetensors (b): 2 of 4 tensors differ, 1 of another shape, 1 only in a, 1 only in b"
    )
    assert cells(headings)[:3] == ["param", "status", "norm a"]
    assert [cells(row) for row in rows if row and "─" not in row] == [
        ["flat", "reshaped", "1", "1", "1", "-", "-", "-", "-", "2 -> 1x2"],
        ["ids", "differs", "-", "-", "-", "-", "1", "1.11e-16", "-"],
        ["layers.10.w", "differs", "5", "10", "2", "1", "4", "0.5", "1"],
        ["new", "only-b", "-", "0.5", "-", "-", "-", "-", "-", "1x1, float32"],
        ["old", "only-a", "5", "-", "-", "-", "-", "-", "-", "1, float32"],
        ["total", "5.831", "10.44", "1.79", "0.9692", "4", "0.5", "0.8575"],
    ]


def test_all(pair: tuple[Path, Path], run: Run) -> None:
    """--all lists the tensors that are the same, too, with the dtypes where those are not."""
    result = run("diff", *pair, "--all")
    [row] = [cells(line) for line in result.out.splitlines() if line.startswith("layers.2.w")]
    assert row == ["layers.2.w", "same", "3", "3", "1", "1", "0", "0", "0", "float32 -> float64"]


def test_equal_dumps(pair: tuple[Path, Path], run: Run) -> None:
    """Dumps that are equal are one line, in a table that of all gradients; the exit code is 0."""
    result = run("diff", pair[0], pair[0])
    assert (result.code, result.out, result.err) == (0, "equal: 5 tensors, 9 values\n", "")
    result = run("diff", pair[0], pair[0], "--by", "param")
    assert result.out.startswith("a.npz (a) and a.npz (b): 5 tensors, all the same\n")
    assert [cells(line)[0] for line in result.out.splitlines()[1:] if line and "─" not in line] == ["param", "total"]


@pytest.mark.parametrize("options", [["-q"], ["-q", "-f", "json"], ["--quiet", "--all"]])
def test_quiet(options: list[str], pair: tuple[Path, Path], run: Run) -> None:
    """-q leaves nothing but the exit code."""
    for paths, code in ((pair, 1), ((pair[0], pair[0]), 0), ((pair[0], Path("nosuch.npz")), 3)):
        result = run("diff", *paths, *options)
        assert (result.code, result.out) == (code, "")
        assert bool(result.err) is (code == 3)


def test_json(pair: tuple[Path, Path], run: Run) -> None:
    """JSON holds every tensor and its status, with null for what is not defined."""
    result = run("diff", *pair, "-f", "json")
    tree = json.loads(result.out)
    assert (result.code, tree["equal"]) == (1, False)
    statuses = {row["name"]: row["status"] for row in tree["params"]}
    assert list(statuses.items()) == [
        ("flat", "reshaped"),
        ("ids", "differs"),
        ("layers.2.w", "same"),
        ("layers.10.w", "differs"),
        ("new", "only-b"),
        ("old", "only-a"),
    ]
    assert tree["params"][3] == {
        "name": "layers.10.w",
        "status": "differs",
        "norm_a": 5.0,
        "norm_b": 10.0,
        "norm_ratio": 2.0,
        "cosine": 1.0,
        "max_abs_diff": 4.0,
        "max_rel_diff": 0.5,
        "rel_diff": 1.0,
        "first_step": None,
    }
    assert tree["params"][1]["norm_a"] is None


def test_tolerances(save: Save, run: Run) -> None:
    """Elements are equal up to the tolerance, the boundary included, measured by B."""
    a, b = save("a.npz", w=[1.5, 1.0]), save("b.npz", w=[1.0, 1.0])
    assert run("diff", a, b, "--rtol", "0.5").code == 0
    assert run("diff", a, b, "--rtol", "0.4").code == 1
    assert run("diff", b, a, "--rtol", "0.4").code == 0
    assert run("diff", a, b, "--atol", "0.5").code == 0
    assert run("diff", a, b, "--atol", "0.25", "--rtol", "0.25").code == 0


def test_what_is_not_finite(save: Save, run: Run) -> None:
    """NaN equals NaN; what faces a number is shown as nan or inf, never refused."""
    a = save("a.npz", same=[np.nan, np.inf], nan=[np.nan, 1.0], inf=[np.inf, 1.0], zero=[-0.0])
    b = save("b.npz", same=[np.nan, np.inf], nan=[2.0, 1.0], inf=[-np.inf, 1.0], zero=[0.0])
    result = run("diff", a, b, "-f", "json")
    rows = {row["name"]: row for row in json.loads(result.out)["params"]}
    assert {name: row["status"] for name, row in rows.items()} == {
        "same": "same",
        "zero": "same",
        "nan": "differs",
        "inf": "differs",
    }
    assert (rows["nan"]["norm_a"], rows["nan"]["max_abs_diff"], rows["nan"]["cosine"]) == ("nan", "nan", None)
    assert (rows["inf"]["norm_b"], rows["inf"]["max_rel_diff"], rows["inf"]["norm_ratio"]) == ("inf", "inf", None)


def test_a_folder_of_one_dump(pair: tuple[Path, Path], run: Run) -> None:
    """A directory stands for its dump, where it holds one; one dump against several is wrong usage."""
    Path("one").mkdir()
    pair[0].rename("one/step1.npz")
    assert run("diff", "one", "one/step1.npz").code == 0
    Path("one/step2.npz").write_bytes(Path("one/step1.npz").read_bytes())
    result = run("diff", "one/step1.npz", "one")
    assert (result.code, result.out) == (2, "")
    assert "one holds 2 dumps; give one dump, such as one/step1.npz, or --step 1 for both" in result.err


def test_nothing_in_common(save: Save, run: Run) -> None:
    """Dumps without a name in common are not equal, and the title says so."""
    result = run("diff", save("a.npz", w=[1.0]), save("b.npz", v=[1.0], u=[2.0]))
    assert result.code == 1
    assert result.out.splitlines()[:2] == [
        "a.npz (a) and b.npz (b):",
        "no tensor is in both, 1 only in a, 2 only in b",
    ]


def test_names_are_untrusted(save: Save, run: Run) -> None:
    """Names with control characters or markup are shown escaped, as they are."""
    a, b = save("a.npz", **{"w\x1b[31m": [1.0], "[red]x": [1.0]}), save("b.npz", v=[1.0])
    out = run("diff", a, b).out
    assert "\x1b" not in out
    assert "w\\x1b[31m" in out
    assert "[red]x" in out


def test_what_is_not_numbers_is_named(save: Save, run: Run) -> None:
    """Datasets that are not numbers are not compared, and standard error says so."""
    with h5py.File(save("a.npz", w=[1.0]).with_suffix(".h5"), "w") as file:
        file["w"] = np.array([1.0], np.float32)
        file["text"] = "hello"
    result = run("diff", "a.h5", "a.npz")
    assert result.code == 0
    assert result.err == "note: a.h5: not numbers, not compared: text\n"


@pytest.fixture
def ranks(save: Save) -> None:
    """Two runs of two ranks, which hold pieces of `fc` and copies of `norm`, and one dump of whole tensors."""
    for run, factor in (("a", 1.0), ("b", 2.0)):
        Path(run).mkdir()
        for rank in (0, 1):
            save(f"{run}/rank{rank}.npz", fc=[3.0 if rank == 0 else 4.0 * factor], norm=[1.0, 0.0])
    save("whole.npz", fc=[3.0, 4.0], norm=[1.0, 0.0])


NOTE = "note: a/rank0.npz: the same in all ranks, and counted once for each: norm; give --replicated 'norm' if they are copies"
WHOLE = "note: whole.npz: is one dump and no set of ranks, so its tensors are taken for whole ones\n"


@pytest.mark.parametrize(
    ("argv", "code", "error"),
    [
        ("a a --shards --replicated norm", 0, ""),
        ("a b --shards --replicated norm", 1, ""),
        ("a b --shards", 1, f"{NOTE} (and 1 more)\n"),
        ("a a --shards -q", 0, f"{NOTE}\n"),
        ("a whole.npz --shards --replicated norm", 1, WHOLE),
        (
            "a b --shards --replicated *",
            3,
            "Error: a/rank1.npz: fc: is not the same as in a/rank0.npz, so it is no copy of it; "
            "leave it out of --replicated\n",
        ),
    ],
)
def test_ranks(argv: str, code: int, error: str, ranks: None, run: Run) -> None:
    """Files of ranks are one dump a side; what may be a copy is noted, with the option, and one that is none is named."""
    result = run("diff", *argv.split())
    assert (result.code, result.err) == (code, error)


@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        ("a b", "a holds 2 dumps; give one dump, such as a/rank0.npz, or --shards for all ranks"),
        ("a/rank0.npz b/rank0.npz --shards", "--shards needs the files of two ranks or more; give a directory"),
        ("whole.npz whole.npz --replicated norm", "--replicated is for tensors that several files hold; give --shards"),
        ("a b --shards --replicated nrom", "--replicated nrom matches no tensor; did you mean norm"),
        ("a b --shards --accumulate mean", "--accumulate and --shards exclude each other"),
        ("a b --shards --files rank0*", "--shards needs the files of two ranks or more"),
    ],
)
def test_wrong_usage_of_ranks(argv: str, reason: str, ranks: None, run: Run) -> None:
    """Where no side is files of ranks, and where options do not fit, the error says what to give."""
    result = run("diff", *argv.split())
    assert (result.code, result.out) == (2, "")
    assert reason in result.err


def test_table_of_ranks(ranks: None, run: Run) -> None:
    """The title says how many files each side is, and a note in the table what is in pieces."""
    argv = ["--shards", "--by", "param"]
    title, *_, total = run("diff", "a", "b", "--replicated", "norm", *argv).out.strip().splitlines()
    assert title == "2 files in a (a) and 2 files in b (b): 1 of 2 tensors differ"
    assert cells(total)[:3] == ["total", "5.099", "8.602"]
    lines = run("diff", "a", "whole.npz", *argv).out.strip().splitlines()
    assert lines[0] == "2 files in a (a) and whole.npz (b): 0 of 2 tensors differ, 2 of another shape"
    fc = ["fc", "reshaped", "5", "5", "1", "-", "-", "-", "-", "2 pieces of 1 -> 2"]
    assert fc in [cells(line) for line in lines]
    assert cells(lines[-1]) == ["total", "-", "-", "-", "-", "-", "-", "-"]


def test_json_of_ranks(ranks: None, run: Run) -> None:
    """JSON has a row for each tensor, whatever the number of its pieces: cosine of (3, 4) and (3, 8)."""
    tree = json.loads(run("diff", "a", "b", "--shards", "--replicated", "norm", "-f", "json").out)
    fc, norm = tree["params"]
    assert fc == {
        "name": "fc",
        "status": "differs",
        "norm_a": 5.0,
        "norm_b": pytest.approx(np.sqrt(73), rel=1e-15),
        "norm_ratio": pytest.approx(np.sqrt(73) / 5, rel=1e-15),
        "cosine": pytest.approx(41 / 5 / np.sqrt(73), rel=1e-12),
        "max_abs_diff": 4.0,
        "max_rel_diff": 0.5,
        "rel_diff": pytest.approx(4 / 5, rel=1e-15),
        "first_step": None,
    }
    assert (norm["norm_a"], norm["status"], tree["notes"]) == (1.0, "same", [])
