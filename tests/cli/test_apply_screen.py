"""What `apply` shows of a run: one screen, the tables behind --by, and with -q only what no threshold asked for."""

from pathlib import Path

import pytest
from support import planted
from support.command import Run, Save
from support.parsing import csv_rows

APPLY = ["apply", "run", "-t", "20", "--nonfinite", "zero"]
ZEROED = "1 NaN set to 0 in model.layers.9.mlp.down_proj.weight"


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write the steps 0 to 5, 40, 41 and 52 of the planted run into `run`."""
    monkeypatch.chdir(tmp_path)
    for steps in (range(6), range(40, 42), range(52, 53)):
        planted.write(tmp_path / "run", steps=steps)
    return tmp_path / "run"


def test_a_run_is_one_screen(network: Path, run: Run) -> None:
    """Without options the answer stands on a few lines: what was clipped, by how much, where, and what became 0."""
    result = run(*APPLY, "-o", "clipped")
    head, columns, first, *rows = result.out.splitlines()
    assert (result.code, result.err) == (0, "")
    assert head.startswith("clip-by-global-norm at 20: 6 of 9 dumps clipped (0-4, 41), mean factor 0.8")
    assert columns.split() == [
        "step",
        "norm",
        "before",
        "norm",
        "after",
        "factor",
        "largest,",
        "share",
        "of",
        "the",
        "square",
    ]
    assert first.split()[:5] == ["41", "187", "20", "0.1069", "model.layers.17"]
    assert first.endswith("model.layers.17  34.5 %")
    assert [row.split()[0] for row in rows[:5]] == ["0", "1", "2", "3", "4"]
    assert rows[5] == f"step 52: {ZEROED}"
    assert rows[6].startswith("9 files written to clipped/ (5.06 MB).  Tables: --by layer, --by param")
    assert len(rows) == 7


def test_quiet_says_only_what_no_threshold_asked_for(network: Path, run: Run) -> None:
    """With -q nothing is shown but the NaN that became 0, on standard error; where nothing was changed, nothing at all."""
    result = run(*APPLY, "-o", "clipped", "-q")
    assert (result.code, result.out) == (0, "")
    assert result.err == f"note: run/step_000052.safetensors: {ZEROED}\n"
    result = run("apply", "run/step_000000.safetensors", "-t", "20", "-o", "one.safetensors", "-q")
    assert (result.code, result.out, result.err) == (0, "", "")


@pytest.mark.parametrize(("options", "tables", "rows"), [
    (["--by", "layer", "--by", "param"], 18, 9 * (219 + 291)),
    (["--by", "block"], 9, 9 * 27),
    (["--by", "step"], 1, 9),
    (["--by", "total"], 1, 9),
    (["--by", "step", "--by", "layer"], 10, 9 + 9 * 219),
])  # fmt: skip
def test_tables_stand_behind_by(options: list[str], tables: int, rows: int, network: Path, run: Run) -> None:
    """Each kind has its tables: one of all dumps, or one for each dump; the notes go to standard error then."""
    result = run(*APPLY, "--dry-run", *options)
    blocks = result.out.rstrip("\n").split("\n\n")
    assert len(blocks) == tables
    each = [block.splitlines() for block in blocks]
    assert sum(len(lines) - (3 if lines[0] == "dumps" else 5) for lines in each) == rows
    assert ZEROED in result.err


def test_a_config_file_brings_the_tables_back_for_good(network: Path, run: Run) -> None:
    """`by` in a configuration file is as --by on the command line."""
    Path("tables.toml").write_text('by = ["layer", "param"]')
    by_file = run(*APPLY, "--dry-run", "--config", "tables.toml")
    assert by_file == run(*APPLY, "--dry-run", "--by", "layer", "--by", "param")


def test_rows_of_a_kind_in_csv(network: Path, run: Run) -> None:
    """csv has a row for each dump by step, and one for each block by block."""
    head, *steps = csv_rows(run(*APPLY, "--dry-run", "--by", "step", "-f", "csv").out)
    assert [(row[head.index("scope")], row[head.index("step")]) for row in steps][:2] == [
        ("total", "0"),
        ("total", "1"),
    ]
    assert len(steps) == 9
    head, *blocks = csv_rows(run(*APPLY, "--dry-run", "--by", "block", "-f", "csv").out)
    assert len(blocks) == 9 * 27
    shares = [float(row[head.index("share")]) for row in blocks if row[head.index("step")] == "41"]
    assert sum(shares) == pytest.approx(1)
    assert max(shares) == pytest.approx(0.345, abs=5e-4)


def test_the_strategy_is_clip_by_global_norm_unless_another_is_given(network: Path, run: Run) -> None:
    """Without -s the dump has one norm; a threshold is needed then, and the message says how to give one."""
    path = "run/step_000041.safetensors"
    assert run("apply", path, "-t", "20", "--dry-run") == run(
        "apply", path, "-s", "clip_grad_norm_", "-t", "20", "--dry-run"
    )
    refused = run("apply", path, "--dry-run")
    assert refused.code == 2
    assert "clip-by-global-norm needs a threshold: -t with a number, or with a rule such as mean" in refused.err


def test_a_dump_without_groups_among_others(save: Save, run: Run) -> None:
    """Where a dump has only layers that are clipped element by element, its row counts these."""
    save("step1.npz", **{"a.w": [3.0, 4.0], "b.w": [3.0, 4.0]})
    save("step2.npz", **{"b.w": [3.0, 0.1]})
    argv = ["-s", "clip-by-global-norm", "-t", "1", "--layer", "b=clip-by-value:1", "--allow-missing", "--dry-run"]
    result = run("apply", "step1.npz", "step2.npz", *argv)
    assert result.code == 0
    rows = {cells[0]: cells[1:] for line in result.out.splitlines() if (cells := line.split())}
    assert rows["1"][2:5] == ["1", "of", "1"]
    assert rows["2"] == ["3.002", "1.005", "1", "element", "-"]
