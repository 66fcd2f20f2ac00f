"""`gradclip diff` on logs of norms: which steps differ and by how much, how steps are paired, and what is refused."""

import json
from pathlib import Path

import pytest
from docs.places import SAMPLES
from support.command import Run

LSTM = SAMPLES / "char_lstm"


def write(path: str, norms: list[float], first: int = 0) -> str:
    """A log of norms, a step a line, in the working directory."""
    Path(path).write_text("".join(f"step: {step} grad_norm: {norm!r}\n" for step, norm in enumerate(norms, first)))
    return path


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder of one's own."""
    monkeypatch.chdir(tmp_path)


def test_equal(run: Run) -> None:
    """The same norms are equal, NaN too, and exit with 0."""
    nan = float("nan")
    found = run("diff", write("a.log", [1.0, nan, 3.0]), write("b.log", [1.0, nan, 3.0]))
    assert (found.code, found.out, found.err) == (0, "equal: 3 steps of grad_norm\n", "")


def test_figures(run: Run) -> None:
    """Ratios are those of B to A, differences are over the smaller norm, and the first step that differs is named."""
    found = run("diff", write("a.log", [1.0, 4.0, 2.0]), write("b.log", [1.0, 2.0, 5.0]), "-f", "json")
    report = json.loads(found.out)
    assert (found.code, report["equal"], report["source"], report["column"]) == (1, False, "log", "grad_norm")
    steps = [(row["step"], row["status"], row["norm_ratio"], row["rel_diff"]) for row in report["steps"]]
    assert steps == [(0, "same", 1.0, 0.0), (1, "differs", 0.5, 1.0), (2, "differs", 2.5, 1.5)]
    assert (report["first"]["step"], report["first"]["params"]) == (1, ["grad_norm"])
    (row,) = report["params"]
    assert (row["norm_a"], row["norm_b"]) == (pytest.approx(21**0.5), pytest.approx(30**0.5))
    assert (row["max_abs_diff"], row["max_rel_diff"], row["first_step"], row["cosine"]) == (3.0, 1.0, 1, None)
    assert "blocks" not in report


def test_screen(run: Run) -> None:
    """The answer stands first; there is no cosine, and a norm that is not finite is named with its side."""
    found = run("diff", write("a.log", [1.0, 4.0, 2.0]), write("b.log", [1.0, float("inf"), 2.0]))
    assert "1 of 3 steps differ, the first is step 1" in found.out
    assert "Inf in b" in found.out
    assert "cosine" not in found.out
    assert "tensor" not in found.out


def test_tolerance(run: Run) -> None:
    """Norms are equal within rtol times that of B, plus atol."""
    args = "diff", write("a.log", [1.0, 2.0]), write("b.log", [1.01, 2.0])
    assert run(*args).code == 1
    assert run(*args, "--rtol", "0.011").code == 0
    assert run(*args, "--atol", "0.011").code == 0
    assert run(*args, "--rtol", "0.009").code == 1
    assert run(*args, "--rtol", "-1").code == 2


def test_steps_of_one_run_only(run: Run) -> None:
    """Steps are paired by number; what only one log has differs, and is noted."""
    found = run("diff", write("a.log", [1.0, 2.0, 3.0]), write("b.log", [2.0, 3.0, 4.0], 1), "-f", "json")
    report = json.loads(found.out)
    assert [row["status"] for row in report["steps"]] == ["only-a", "same", "same", "only-b"]
    assert "a.log: has step 0 and the other run has not" in found.err
    assert run("diff", "a.log", "b.log", "--steps", "1:2").code == 0


def test_without_steps(run: Run) -> None:
    """Norms without steps are paired in their order where there are as many, which is said."""
    Path("a.log").write_text("grad_norm: 1.0\ngrad_norm: 2.0\n")
    Path("b.log").write_text("grad_norm: 1.0\ngrad_norm: 2.5\n")
    found = run("diff", "a.log", "b.log")
    assert found.code == 1
    assert "paired in their order" in found.err
    Path("b.log").write_text("grad_norm: 1.0\n")
    assert "not equally long: a.log 2 and b.log 1 norms" in run("diff", "a.log", "b.log").err
    assert "holds norms without a step" in run("diff", "a.log", write("c.log", [1.0, 2.0])).err


def test_tensors(run: Run) -> None:
    """Norms of tensors that both logs hold are compared, too, and those of one only are told."""
    for name, middle, third in (("a.csv", "2.0", "w"), ("b.csv", "2.5", "x")):
        head = f"step,grad_2.0_norm/h.0.w,grad_2.0_norm/h.1.w,grad_2.0_norm/h.2.{third},grad_2.0_norm_total\n"
        Path(name).write_text(f"{head}0,1.0,2.0,1.0,3.0\n1,1.0,{middle},1.0,3.0\n")
    report = json.loads(run("diff", "a.csv", "b.csv", "-f", "json").out)
    assert [(row["name"], row["status"], row["first_step"]) for row in report["params"]] == [
        ("grad_2.0_norm_total", "same", None),
        ("h.0.w", "same", None),
        ("h.1.w", "differs", 1),
        ("h.2.w", "only-a", None),
        ("h.2.x", "only-b", None),
    ]
    assert (report["first"]["step"], report["first"]["params"]) == (0, ["h.2.w", "h.2.x"])


def test_a_log_and_dumps(run: Run) -> None:
    """The norms of dumps are measured and held against those of a log, with a note on rounding."""
    rows = json.loads(run("stats", LSTM, "-f", "json").out)["dumps"]
    Path("a.log").write_text("".join(f"step: {row['step']} grad_norm: {row['norm']:.3f}\n" for row in rows))
    found = run("diff", "a.log", LSTM)
    assert found.code == 1
    assert "a.log: a log rounds norms; --rtol 1e-4 or the like allows for that" in found.err
    assert run("diff", LSTM, "a.log", "--rtol", "1e-3").code == 0


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--by", "block"], "diff has no tables by block; it has them by step, param"),
        (["--include", "x"], "--include is for gradients"),
        (["--column", "gn"], "a.log: no number after 'gn' in 2 lines"),
        (["--steps", "7"], "--steps 7 takes nothing of a.log; steps are 0-1"),
    ],
)
def test_refusals(args: list[str], message: str, run: Run) -> None:
    """What means nothing for logs is wrong usage."""
    found = run("diff", write("a.log", [1.0, 2.0]), write("b.log", [1.0, 2.0]), *args)
    assert found.code == 2
    assert message in found.err


def test_no_step_in_common(run: Run) -> None:
    """Logs without a common step cannot be compared, nor those in which a step stands twice."""
    found = run("diff", write("a.log", [1.0, 2.0]), write("b.log", [1.0], 9))
    assert (found.code, "no step in common" in found.err) == (2, True)
    Path("c.log").write_text("step: 1 grad_norm: 1.5\nstep: 0 grad_norm: 1.0\nstep: 1 grad_norm: 2.0\n")
    assert "step 1 came twice" in run("diff", "c.log", "a.log", "--repeated", "keep").err
