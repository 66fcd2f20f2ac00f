"""`gradclip check` on logs of norms: what it finds and says, by which rules, and which exit code that is."""

import json
from pathlib import Path

import pytest
from docs.places import SAMPLES
from support.command import Run

LSTM = SAMPLES / "char_lstm"

NORMS = [2.0, 2.1, 1.9, 2.05, 1.95] * 8


def write(path: str, norms: list[float], word: str = "grad_norm") -> str:
    """A log of norms, a step a line, in the working directory."""
    Path(path).write_text("".join(f"step: {step} loss: 2.0 {word}: {norm:.4f}\n" for step, norm in enumerate(norms)))
    return path


def write_layers(path: str, rows: list[tuple[float, ...]]) -> str:
    """A log with the norms of three layers and of the whole."""
    head = "step,grad_2.0_norm/h.0.w,grad_2.0_norm/h.1.w,grad_2.0_norm/h.2.w,grad_2.0_norm_total\n"
    lines = [f"{step},{','.join(map(repr, row))},{sum(x * x for x in row) ** 0.5!r}\n" for step, row in enumerate(rows)]
    Path(path).write_text(head + "".join(lines))
    return path


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder of one's own."""
    monkeypatch.chdir(tmp_path)


def test_a_spike_and_a_nan(run: Run) -> None:
    """Norms that are not finite and norms above five times their neighbours are found, each at its step."""
    norms = list(NORMS)
    norms[11], norms[20] = float("nan"), 20.0
    found = run("check", write("run.log", norms), "-f", "json")
    report = json.loads(found.out)
    assert (found.code, report["source"], report["column"], report["dumps"]) == (1, "log", "grad_norm", 40)
    rows = [(row["rule"], row["step"], row["value"], row["limit"], row["layer"]) for row in report["findings"]]
    assert rows == [("nonfinite", 11, 1, 0, None), ("exploding", 20, 20.0, 10.0, None)]
    assert "the norm of the step is 20, 10 x its neighbours" in report["findings"][1]["message"]
    screen = run("check", "run.log").out
    assert "2 problems in 40 steps: nonfinite, exploding" in screen
    assert "dump" not in screen


def test_growth(run: Run) -> None:
    """Norms that double slowly are found growing."""
    norms = [1.03**step * norm for step, norm in enumerate(NORMS)]
    report = json.loads(run("check", write("run.log", norms), "-f", "json").out)
    assert [row["rule"] for row in report["findings"]] == ["growing"]
    assert report["findings"][0]["message"].startswith("the norm of the step grows from ")


def test_rules_that_need_gradients_are_named_once(run: Run) -> None:
    """What a log is not checked for is said in one note; nothing found is exit code 0."""
    found = run("check", write("run.log", NORMS))
    assert (found.code, found.out) == (0, "no findings in 40 steps\n")
    assert found.err.count("not checked") == 1
    assert "not checked for accumulating, vanishing, dead, unchanged, underflow, dominated, spread" in found.err
    ignored = "accumulating,vanishing,dead,unchanged,underflow,dominated,spread"
    assert "not checked" not in run("check", "run.log", "--ignore", ignored).err


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["--fail-on", "nonfinite"], 0, ""),
        (["--fail-on", "nonfinite,dead"], 0, ""),
        (["--fail-on", "exploding"], 1, ""),
        (["--fail-on", "dead"], 2, "--fail-on dead needs gradients; a log is checked by nonfinite, exploding, growing"),
        (["--dead-share", "0.5"], 2, "--dead-share needs gradients, and run.log is a log of norms; leave it out"),
        (["--vanishing-mean", "1"], 2, "--vanishing-mean needs gradients"),
        (["--overflow-share", "1"], 2, "--overflow-share needs gradients"),
        (["--exploding-factor", "20"], 0, ""),
        (["--include", "x"], 2, "--include is for gradients"),
        (["--along", "0"], 2, "--along is for gradients"),
        (["--column", "loss"], 0, ""),
        (["--column", "gn"], 2, "run.log: no number after 'gn' in 40 lines"),
        (["--steps", "0:19"], 0, ""),
        (["--steps", "90"], 2, "--steps 90 takes nothing of run.log; steps are 0-39"),
    ],
)
def test_exit_codes(args: list[str], code: int, message: str, run: Run) -> None:
    """A finding is 1 unless --fail-on names other rules; an option that means nothing for a log is 2."""
    norms = list(NORMS)
    norms[20] = 20.0
    found = run("check", write("run.log", norms), *args)
    assert found.code == code
    assert message in found.err


def test_standard_input(spawn: Run) -> None:
    """A log may come through a pipe."""
    found = spawn("check", "-", input=Path(write("run.log", [*NORMS, 40.0])).read_text())
    assert (found.code, "1 problem in 41 steps: exploding" in found.out) == (1, True)


def test_a_baseline_that_is_a_log(run: Run) -> None:
    """Norms outside those of a good log by more than four spreads are unlike it; a good run is not."""
    write("good.log", NORMS)
    assert run("check", write("like.log", [norm * 1.05 for norm in NORMS]), "--baseline", "good.log").code == 0
    found = run("check", write("run.log", [norm * 10 for norm in NORMS]), "--baseline", "good.log", "-f", "json")
    (row,) = json.loads(found.out)["findings"]
    assert (row["rule"], row["step"], row["dumps"], row["value"]) == ("unlike-baseline", 0, 40, 20.0)
    assert row["message"].startswith("the whole has a norm 20, 10 x the median of good.log")


def test_a_log_and_dumps(run: Run) -> None:
    """A log is held against a run of dumps by the norm of the whole, and dumps against a log."""
    report = json.loads(run("stats", LSTM, "-f", "json").out)
    lines = [f"step: {row['step']} grad_norm: {row['norm']!r}\n" for row in report["dumps"]]
    Path("same.log").write_text("".join(lines))
    Path("other.log").write_text("".join(lines).replace("norm: ", "norm: 90"))
    only = "--fail-on", "unlike-baseline"
    assert run("check", "same.log", "--baseline", LSTM, *only).code == 0
    assert run("check", LSTM, "--baseline", "same.log", *only).code == 0
    assert run("check", "other.log", "--baseline", LSTM, *only).code == 1
    found = run("check", LSTM, "--baseline", "other.log", *only)
    assert found.code == 1
    assert "the median of other.log" in found.out


def test_layers(run: Run) -> None:
    """Where norms of layers are logged, a spike names the layer that rose first, and layers that fade are found."""
    rows: list[tuple[float, ...]] = [(1e-6, 1.0 + step % 3 / 10, 2.0 + step % 5 / 10) for step in range(40)]
    rows[20] = (1e-6, 1.0, 100.0)
    rows[30] = (float("nan"), float("nan"), 2.0)
    report = json.loads(run("check", write_layers("metrics.csv", rows), "-f", "json").out)
    found = {row["rule"]: row for row in report["findings"]}
    assert set(found) == {"nonfinite", "exploding", "vanishing", "dominated", "spread"}
    assert (found["exploding"]["step"], found["exploding"]["layer"]) == (20, "h.2")
    assert "nor that of 2 of 3 tensors; h.1.w is the last of them" in found["nonfinite"]["message"]
    assert (found["vanishing"]["layer"], found["vanishing"]["value"]) == ("h.0", 5e-7)
    assert "accumulating, dead, unchanged, underflow: these rules need gradients" in run("check", "metrics.csv").err
