"""What a person sees of `stats --try`, of the layers' own thresholds, and of the advice."""

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
from support.command import Run, Save


@pytest.fixture
def steps(save: Save) -> Path:
    """Provide two steps of a layer with an odd name and one with a plain one."""
    folder = Path("steps")
    folder.mkdir()
    for step, factor in ((1, 1.0), (2, 2.0)):
        tensors = {"it's[0].w": np.array([3.0, 4.0]) * factor, "head.w": np.array([12.0])}
        save(f"steps/step_{step}.npz", **tensors)
    return folder


def test_the_table_of_tries(steps: Path, run: Run) -> None:
    """Norms 13 and 15.62 cut at 13: half of the steps clipped, the layers all alike, and no turn."""
    found = run("stats", steps, "--by", "total", "--try", "clip-by-global-norm:13", "--try", "clip-l2-per-layer:mean")
    assert found.code == 0
    _, header, _, first, second, *_ = found.out[found.out.index("what if") :].splitlines()
    assert header.split()[:4] == ["strategy", "rule", "threshold", "clips"]
    assert header.endswith("clipped most")
    assert first.split()[:8] == ["clip-by-global-norm", "-", "13", "50.0%", "0.9161", "18.2%", "1", "1"]
    assert first.endswith("all alike")
    assert second.split()[1:3] == ["mean", "9.75"]
    assert second.endswith("head 100.0%, it's[0] 50.0%")


@pytest.mark.parametrize("kinds", [["step"], ["layer"], ["param", "block"], ["all"]])
def test_what_is_tried_stands_below_all_tables(kinds: list[str], steps: Path, run: Run) -> None:
    """Whichever tables are chosen, those of --try are among them."""
    out = run(
        "stats", steps, "--try", "clip-by-global-norm:13", *(word for kind in kinds for word in ("--by", kind))
    ).out
    assert out.count("what if") == 1
    assert "clip-by-global-norm" in out[out.index("what if") :]


def test_a_number_alone_is_tried(steps: Path, run: Run) -> None:
    """A bare threshold is for the strategy at hand, by default for the global norm."""
    first = json.loads(run("stats", steps, "--try", "13", "-f", "json").out)["tries"]
    assert [(one["strategy"], one["threshold"], one["clip_rate"]) for one in first] == [
        ("clip-by-global-norm", 13.0, 0.5)
    ]
    second = json.loads(run("stats", steps, "--try", "1e1", "-s", "clip-l2-per-layer", "-f", "json").out)["tries"]
    assert [(one["strategy"], one["threshold"]) for one in second] == [("clip-l2-per-layer", 10.0)]


@pytest.mark.parametrize(
    ("words", "value"),
    [(["-t", "1"], "1"), (["--max-norm", "2.5"], "2.5"), (["--threshold=auto"], "X"), (["-t3"], "3")],
)
def test_a_threshold_as_for_apply_is_wrong_usage(words: list[str], value: str, steps: Path, run: Run) -> None:
    """What people give a threshold by says how it is tried."""
    found = run("stats", steps, *words)
    assert found.code == 2
    assert f"give --try clip-by-global-norm:{value}\n" in found.err


def test_the_table_says_what_cannot_be_told(steps: Path, run: Run) -> None:
    """A column of notes stands in the table where a row needs one."""
    out = run("stats", steps, "--by", "total", "--try", "clip-by-value:mean", "--try", "none").out
    _, header, _, first, second, *_ = out[out.index("what if") :].splitlines()
    assert header.endswith("note")
    assert "give a number to see energy and cosine" in first
    assert second.split() == ["none", "-", "-", "0.0%", "1", "0.0%", "1", "1"]


def test_tries_are_in_json_only_if_there_are_any(steps: Path, run: Run) -> None:
    """The key `tries` stands behind those of the contract, where something was tried."""
    plain = json.loads(run("stats", steps, "-f", "json").out)
    tree = json.loads(run("stats", steps, "-f", "json", "--try", "clip-l2-per-layer:11", "--try", "none").out)
    assert list(tree) == [*plain, "tries"]
    assert {name: tree[name] for name in plain} == plain
    first, second = tree["tries"]
    assert list(first) == [
        *[
            "strategy",
            "rule",
            "threshold",
            "clip_rate",
            "mean_factor",
            "lost_energy",
            "cosine",
            "least_cosine",
            "layers",
        ],
        *["note", "steps", "skip_rate", "skipped_steps"],
    ]
    assert (first["steps"], first["skip_rate"], first["skipped_steps"]) == ([[1, 2]], None, None)
    assert (first["threshold"], first["clip_rate"], first["layers"]) == (11.0, 0.5, {"head": 1.0})
    assert (second["threshold"], second["layers"], second["note"]) == (None, {}, None)


def test_the_option_of_each_layer_is_taken_by_apply(steps: Path, run: Run) -> None:
    """The options in the table of layers, pasted as they stand, give each layer its own threshold."""
    table = run("stats", steps, "--by", "layer").out
    lines = [line[line.index("--layer ") :] for line in table.splitlines() if "--layer " in line]
    assert lines == ["--layer 'head=:12'", "--layer 'it'\\''s[[]0]=:7.5'"]
    options = shlex.split(" ".join(lines))
    result = run("apply", steps, "--dry-run", "-s", "clip-l2-per-layer", "-t", "1", "-f", "json", *options)
    rows = json.loads(result.out)["dumps"][1]["layers"]
    assert {row["layer"]: row["threshold"] for row in rows} == {"head": 12.0, "it's[0]": 7.5}


def test_the_advice_ends_the_table(steps: Path, save: Save, run: Run) -> None:
    """The advice is the end of the table of totals, and of no other; the command is that of the screen."""
    save("steps/step_3.npz", **{"it's[0].w": np.array([3.0, 4.0]), "head.w": np.array([12.0])})
    *_, last = run("stats", steps, "--by", "total").out.splitlines()
    assert last == "Next: gradclip apply steps -o clipped/ -t 13.87 --dry-run"
    assert last == run("stats", steps).out.splitlines()[-1]
    assert "take " not in run("stats", steps, "--by", "step", "--by", "layer").out


def test_the_command_of_the_advice_clips_as_it_says(save: Save, run: Run) -> None:
    """With a loss scale of 1024 the norms are 1, but for two of ten, which the mean of 1.5 clips."""
    Path("run").mkdir()
    for step, norm in enumerate([1, 1, 1, 1, 3.5] * 2):
        save(f"run/step_{step}.npz", **{"fc.w": np.array([norm * 1024.0])})
    last = run("stats", "run", "--unscale", "1024").out.splitlines()[-1]
    assert last == "Next: gradclip apply run -o clipped/ -t 1.5 --unscale 1024 --dry-run"
    applied = run(*shlex.split(last)[2:], "-f", "json")
    assert json.loads(applied.out)["clipped_steps"] == [4, 9]


def test_strategies_speak_for_themselves(steps: Path, run: Run) -> None:
    """With -s the advice is about that strategy."""
    assert (
        "for clip-l2-per-param-type: the mean would clip 75 % of the norms of tensors"
        in run("stats", steps, "-s", "clip-by-norm", "--by", "total").out
    )
    assert "\nthreshold for clip-l2-per-param-type " in run("stats", steps, "-s", "clip-by-norm").out
