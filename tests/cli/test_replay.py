"""Rules with a threshold for each step, as a user meets them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.command import Run, Save

NORMS = [1.0, 1.2, 0.8, 1.0, 1.1, 5.0, 1.0, 0.0]
TENTHS = [1, 1.02, 0.84, 0.86, 0.88, 0.9, 0.92, 0.56]
HALVES = [1, 1.1, 1, 1, 1, 1.05, 1, 1]


@pytest.fixture
def run_of_eight(save: Save) -> None:
    """Eight dumps of two layers, of which `a` holds a norm of 0.6 and `b` of 0.8 of the whole."""
    Path("run").mkdir()
    for step, norm in enumerate(NORMS, 1):
        save(
            f"run/step_{step}.npz",
            **{"a.w": np.array([0.6 * norm], np.float64), "b.w": np.array([0.8 * norm], np.float64)},
        )


def tree(run: Run, *argv: str) -> Any:
    """The report as JSON."""
    found = run(*argv, "-f", "json")
    assert found.code == 0, found.err
    return json.loads(found.out)


def test_stats_shows_every_step(run_of_eight: None, run: Run) -> None:
    """Without -s the steps are those of the global norm, whatever else is suggested."""
    found = tree(run, "stats", "run", "--rule", "autoclip:10")
    assert [row["threshold"] for row in found["replay"]] == pytest.approx(TENTHS)
    assert [row["norm"] for row in found["replay"]] == pytest.approx(NORMS)
    assert {row["strategy"] for row in found["replay"]} == {"clip-by-global-norm"}
    assert list(found["replay"][0]) == [
        "strategy",
        "input",
        "step",
        "norm",
        "threshold",
        "factor",
        "clipped",
        "skipped",
    ]
    assert found["replay_groups"] == []
    assert [row["threshold"] for row in found["suggestions"]] == [None, None, None, pytest.approx(0.56)]


def test_stats_shows_every_group_of_a_strategy(run_of_eight: None, run: Run) -> None:
    """With -s of a strategy that clips layers, each layer has its last threshold and its figures."""
    found = tree(run, "stats", "run", "--rule", "autoclip:50", "-s", "clip-l2-per-layer")
    assert found["replay"] == []
    rows = {row["layer"]: row for row in found["replay_groups"]}
    assert list(rows["a"]) == ["strategy", "layer", "name", "samples", "norm", "threshold", "clip_rate", "mean_factor"]
    assert [rows[layer]["threshold"] for layer in "ab"] == pytest.approx([0.6, 0.8])
    assert [rows[layer]["clip_rate"] for layer in "ab"] == [3 / 8, 3 / 8]


@pytest.mark.parametrize("rule", ["mean", "percentile:10"])
def test_other_rules_have_no_replay(rule: str, run_of_eight: None, run: Run) -> None:
    """The keys of a replay are there only with a rule that has a threshold for each step; candidates are the others."""
    found = tree(run, "stats", "run", "--rule", rule)
    replay = tree(run, "stats", "run", "--rule", "autoclip")
    assert replay.keys() - found.keys() == {"replay", "replay_groups"}
    assert replay["candidates"] == found["candidates"]


def test_the_tables(run_of_eight: None, run: Run) -> None:
    """The steps are a table of their own, layers and tensors too, each shown with its kind."""
    steps = run("stats", "run", "--rule", "autoclip:50", "--by", "step").out
    assert "autoclip:50 at each step: clip-by-global-norm" in steps
    assert ["6", "5", "1.05", "0.21", "yes", "run/step_6.npz"] in [line.split() for line in steps.splitlines()]
    layers = run("stats", "run", "--rule", "autoclip:50", "-s", "clip-l2-per-layer", "--by", "layer").out
    assert ["b", "8", "0", "0.8", "37.5%", "0.8795"] in [line.split() for line in layers.splitlines()]
    params = run("stats", "run", "--rule", "autoclip:50", "-s", "clip-by-value", "--by", "param").out
    assert ["a.w", "8", "0", "0.6", "37.5%", "0.8795"] in [line.split() for line in params.splitlines()]


def test_print_threshold_prints_the_last(run_of_eight: None, run: Run) -> None:
    """What a script gets is what would be in force now."""
    found = run("stats", "run", "--rule", "autoclip:90", "-s", "clip-by-global-norm", "--print-threshold")
    assert float(found.out) == pytest.approx(2.34)


def test_apply_reports_the_threshold_of_each_step(run_of_eight: None, run: Run) -> None:
    """The threshold of the whole report is null, those of layers and params are of their step, factors too."""
    found = tree(run, "apply", "run", "-o", "out", "-s", "clip-by-global-norm", "-t", "autoclip:50")
    assert found["threshold"] is None
    rows = [(dump["layers"][0], dump["params"][0]) for dump in found["dumps"]]
    assert [[layer["threshold"], param["threshold"]] for layer, param in rows] == [
        pytest.approx([c, c]) for c in HALVES
    ]
    for step, (norm, threshold) in enumerate(zip(NORMS, HALVES, strict=True), 1):
        with np.load(f"out/step_{step}.npz") as file:
            expected = 0.6 * min(norm, threshold)
            np.testing.assert_allclose(file["a.w"], [expected], rtol=1e-14)


def test_apply_without_a_threshold_yet(run_of_eight: None, run: Run) -> None:
    """In ZClip's warm-up the threshold is infinite, nothing changes, and a warning says so."""
    found = run("apply", "run", "-o", "out", "-s", "clip-by-global-norm", "-t", "zclip", "-f", "json")
    assert {row["threshold"] for dump in json.loads(found.out)["dumps"] for row in dump["layers"]} == {"inf"}
    assert "only 8 norms here, and the first 25 clip nothing, so nothing will be clipped" in found.err
    for step in range(1, 9):
        with np.load(f"out/step_{step}.npz") as after, np.load(f"run/step_{step}.npz") as before:
            assert {name: after[name].tobytes() for name in after} == {name: before[name].tobytes() for name in before}


def test_apply_on_one_dump_warns(network: Path, run: Run) -> None:
    """One dump is no history."""
    found = run("apply", network, "-o", "out.safetensors", "-s", "clip-by-global-norm", "-t", "autoclip")
    assert (found.code, "clip-by-global-norm has only one norm here, so nothing will be clipped" in found.err) == (
        0,
        True,
    )


def test_a_layer_or_a_file_may_ask_for_it(run_of_eight: None, run: Run) -> None:
    """The rule may stand in --layer and in --config."""
    Path("clip.toml").write_text(
        "strategy = 'clip-by-norm'\nthreshold = 9\n[[layer]]\npattern = 'b'\nthreshold = 'autoclip:50'\n"
    )
    argv = ["apply", "run", "--dry-run", "-s", "clip-by-norm", "-t", "9", "--layer", "b=:autoclip:50"]
    first, second = tree(run, *argv), tree(run, "apply", "run", "--dry-run", "--config", "clip.toml")
    assert first == second
    expected = [pytest.approx([9, 0.8 * half]) for half in HALVES]
    assert [[row["threshold"] for row in dump["layers"]] for dump in first["dumps"]] == expected
    assert first["threshold"] == 9


@pytest.mark.parametrize("strategy", ["clip-l2-per-layer", "clip-by-norm", "clip-by-value"])
def test_a_dump_without_a_gradient(strategy: str, save: Save, run: Run) -> None:
    """Where there is no group, there is nothing to replay, and the note says so."""
    save("whole.npz", count=np.arange(3))
    found = tree(run, "stats", "whole.npz", "--rule", "autoclip", "-s", strategy)
    assert (found["replay"], found["replay_groups"]) == ([], [])
    assert "there is no norm" in found["suggestions"][0]["note"]


def test_the_advice_is_a_single_threshold(run_of_eight: None, run: Run) -> None:
    """The line that says what to take is of one threshold, and says so; layers have no other thresholds of their own."""
    out = run("stats", "run", "--rule", "autoclip", "--by", "total", "--by", "layer").out
    plain = run("stats", "run", "--by", "total", "--by", "layer").out
    assert "for one threshold at every step, take " in out
    assert "for one threshold at every step" not in plain
    assert ("each layer's own threshold" in out, "each layer's own threshold" in plain) == (False, True)


@pytest.mark.parametrize("command", ["apply", "stats"])
def test_help_names_every_rule_once(command: str, run: Run) -> None:
    """The rules are listed where one is asked for."""
    text = " ".join(run(command, "--help").out.split())
    assert text.count("mean, median, percentile:90, mad:5, zscore:3, autoclip:10, zclip:2.5") == 1
