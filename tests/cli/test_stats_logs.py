"""`gradclip stats` on logs of norms: what it prints, what it refuses, and which exit code that is."""

import json
import math
from pathlib import Path

import pytest
from support import log_samples as samples
from support.command import Run

NORMS = [1.0, 2.0, 3.0, 4.0, 10.0] * 4


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A log of twenty steps, one of which is not finite, in the working directory."""
    monkeypatch.chdir(tmp_path)
    lines = [f"step: {step} loss: 2.0 grad_norm: {norm:.4f}\n" for step, norm in enumerate(NORMS)]
    Path("run.log").write_text("".join([*lines, "step: 20 loss: nan grad_norm: nan\n"]))
    return "run.log"


def test_json(run: Run, log: str) -> None:
    """JSON is that of dumps, with its source; the mean and the clip rate are those of the norms."""
    report = json.loads(run("stats", log, "-f", "json", "--try", "5").out)
    assert (report["source"], report["column"]) == ("log", "grad_norm")
    assert [dump["norm"] for dump in report["dumps"]] == [*NORMS, "nan"]
    assert {dump["max_abs"] for dump in report["dumps"]} == {None}
    assert (report["total"]["count"], report["total"]["nonfinite"], report["total"]["mean"]) == (20, 1, 4.0)
    assert report["params"] == report["layers"] == []
    assert {row["strategy"] for row in report["suggestions"]} == {"clip-by-global-norm"}
    (tried,) = report["tries"]
    assert (tried["clip_rate"], tried["mean_factor"]) == (0.2, 0.9)
    assert math.isclose(tried["lost_energy"], 1 - (4 * (1 + 4 + 9 + 16) + 4 * 25) / (4 * (1 + 4 + 9 + 16) + 4 * 100))


def test_screen(run: Run, log: str) -> None:
    """A screen names the column, and no dump; it proposes no command that needs gradients."""
    found = run("stats", log)
    assert found.code == 0
    assert "run.log  21 logged norms, steps 0-20   grad_norm in text" in found.out
    assert "gradclip apply" not in found.out
    assert "gradclip check" not in found.out
    assert "max |g|" not in run("stats", log, "--by", "step").out


def test_steps_and_thresholds(run: Run, log: str) -> None:
    """Steps are chosen as those of dumps, and a bare threshold is printed."""
    args = "stats", log, "-s", "clip-by-global-norm", "--print-threshold"
    assert run(*args).out == "4.0\n"
    assert run(*args, "--steps", "0:1").out == "1.5\n"
    assert run(*args, "--steps", "18:", "--rule", "median").out == "7.0\n"
    assert run(*args, "--skip-steps", "19").out == "10.0\n"


def test_several_logs_are_one_series(run: Run, log: str) -> None:
    """Logs are joined in the order of their steps; of a step in two of them, the last counts, which is said."""
    Path("later.log").write_text("step: 19 grad_norm: 8.0\nstep: 21 grad_norm: 6.0\n")
    found = run("stats", "later.log", log, "-f", "json", "--repeated", "last")
    dumps = json.loads(found.out)["dumps"]
    assert [dump["step"] for dump in dumps] == [*range(20), 20, 21]
    assert "1 step came twice" in found.err


def test_layers(run: Run, tmp_path: Path) -> None:
    """Norms of tensors make those of layers, and a strategy by layer is suggested, too."""
    path = tmp_path / "metrics.csv"
    path.write_bytes(samples.LIGHTNING)
    report = json.loads(run("stats", str(path), "-f", "json").out)
    assert sorted(row["name"] for row in report["params"]) == ["fc.bias", "fc.weight"]
    (layer,) = report["layers"]
    assert (layer["layer"], layer["max"], layer["median"]) == ("fc", 5.0, 1.0)
    assert {row["strategy"] for row in report["suggestions"]} == {"clip-by-global-norm", "clip-l2-per-layer"}


@pytest.mark.parametrize("command", ["apply", "ls", "show"])
def test_other_commands_need_gradients(command: str, run: Run, tmp_path: Path) -> None:
    """A log is refused in one line where gradients are needed."""
    path = tmp_path / "trainer_state.json"
    path.write_bytes(samples.trainer_state())
    more = {"apply": ["-t", "1", "-o", str(tmp_path / "out")]}.get(command, [])
    found = run(command, str(path), *more)
    assert (found.code, found.out) == (3, "")
    assert found.err.endswith(f"holds norms, not gradients; {command} needs gradients: take stats\n")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--shards"], "--shards is for gradients, and run.log is a log of norms; leave it out"),
        (["--include", "x"], "--include is for gradients"),
        (["--norm-type", "1"], "--norm-type is for gradients"),
        (["-s", "clip-by-norm"], "clip-l2-per-param-type needs more than the norms that run.log holds"),
        (["--try", "clip-by-value:1"], "needs more than the norms that run.log holds"),
        (["--steps", "90:"], "--steps 90: takes nothing of run.log; steps are 0-20"),
        (["--skip-steps", "50"], "--skip-steps 50 leaves nothing of 21 norms"),
        (["--column", "gn"], "run.log: no number after 'gn' in 21 lines"),
    ],
)
def test_refusals(args: list[str], message: str, run: Run, log: str) -> None:
    """An option that means nothing for a log is wrong usage, never ignored."""
    found = run("stats", log, *args)
    assert found.code == 2
    assert message in found.err


def test_a_column_needs_a_log(run: Run, log: str) -> None:
    """--column is wrong usage for dumps, and logs are not mixed with what is none."""
    Path("dump.npz").write_bytes(b"PK")
    assert "no log is given" in run("stats", "dump.npz", "--column", "x").err
    assert "run.log is a log and dump.npz is none" in run("stats", log, "dump.npz").err
