"""Rules that are for one strategy, and steps that are left out, as a user meets them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.command import Run, Save


@pytest.fixture
def run_of_forty(save: Save) -> None:
    """Forty dumps of two tensors whose whole has a norm near 1, but for step 30, where it is 50."""
    Path("run").mkdir()
    for step in range(40):
        norm = 50.0 if step == 30 else 1.0 + step % 3 / 10
        save(f"run/step_{step}.npz", **{"a.w": np.array([-0.6 * norm]), "b.w": np.array([0.8 * norm])})
    with open("log.csv", "w", encoding="utf-8") as file:
        file.writelines(["step,grad_norm\n", *(f"{k},{50.0 if k == 30 else 1.0 + k % 3 / 10}\n" for k in range(40))])


def tree(run: Run, *argv: str) -> Any:
    """The report as JSON."""
    found = run(*argv, "-f", "json")
    assert found.code == 0, found.err
    return json.loads(found.out)


def test_apply_writes_a_skipped_step_as_zeros(run_of_forty: None, run: Run) -> None:
    """The dump of a skipped step holds zeros, all others are as they were, and it counts as skipped, not clipped."""
    found = tree(run, "apply", "run", "-o", "out", "-t", "skip-olmo:6,window=40")
    assert (found["skipped_dumps"], found["skipped_steps"], found["clipped_dumps"]) == (1, [30], 0)
    total = found["dumps"][30]["total"]
    assert (total["skipped_groups"], total["clipped_groups"], total["clipped_elements"], total["norm_after"]) == (
        *(1, 0, 0),
        0.0,
    )
    assert (found["dumps"][30]["params"][0]["factor"], found["dumps"][30]["params"][0]["clipped"]) == (0.0, False)
    for step in (29, 30):
        with np.load(f"run/step_{step}.npz") as before, np.load(f"out/step_{step}.npz") as after:
            expected = b"\0" * 8 if step == 30 else before["a.w"].tobytes()
            assert after["a.w"].tobytes() == expected


@pytest.mark.parametrize("source", ["run", "log.csv"])
def test_what_if_shows_skipped_steps_apart(source: str, run_of_forty: None, run: Run) -> None:
    """A rule alone is tried with its own strategy, over dumps and over logs; what is skipped is not clipped."""
    rules = [
        "skip-olmo:6,window=40",
        "skip-maxtext:6,window=40",
        "skip-llmc:3,window=20",
        "skip-above:5",
        "zclip:max=1.1",
    ]
    tries = tree(run, "stats", source, *(word for rule in rules for word in ("--try", rule)))["tries"]
    assert [one["strategy"] for one in tries] == ["clip-by-global-norm"] * 5
    assert [one["rule"] for one in tries] == [*rules[:4], "zclip:2.5,max=1.1"]
    for one in tries[:4]:
        assert (one["skip_rate"], one["skipped_steps"], one["clip_rate"], one["steps"]) == (1 / 40, [[30, 30]], 0.0, [])
    assert (tries[4]["skip_rate"], tries[4]["skipped_steps"]) == (None, None)
    assert tries[4]["clip_rate"] == 14 / 40  # each third step is at 1.2, and one at 50


def test_screens_and_tables_name_them(run_of_forty: None, run: Run) -> None:
    """The screens of both commands and the table of steps say what is skipped."""
    assert "1 of 40 dumps skipped (30)" in run("apply", "run", "--dry-run", "-t", "skip-above:5").out
    out = run("stats", "run", "--rule", "skip-above:5").out
    assert "skip-above:5: skips 1 of 40 steps: 30." in " ".join(out.split())
    rows = [line.split() for line in run("stats", "run", "--rule", "skip-above:5", "--by", "step").out.splitlines()]
    assert ["30", "50", "5", "0", "skipped", "run/step_30.npz"] in rows
    assert "skips" in run("stats", "run", "--by", "total", "--try", "skip-above:5").out


@pytest.mark.parametrize("rule", ["adagc:1.2,warmup=5,max=9", "aggc:0.5,high=2"])
def test_a_rule_takes_its_own_strategy(rule: str, run_of_forty: None, run: Run) -> None:
    """Without -s the rule clips each tensor; what it does in `apply` is what `stats` says."""
    found = tree(run, "apply", "run", "--dry-run", "-t", rule)
    replay = tree(run, "stats", "run", "--rule", rule)["replay_groups"]
    assert found["strategy"] == "clip-l2-per-param-type"
    assert 30 in found["clipped_steps"]
    assert [row["threshold"] for row in found["dumps"][-1]["params"]] == [row["threshold"] for row in replay]


@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        (
            ["apply", "run", "--dry-run", "-t", "adagc", "-s", "clip-by-global-norm"],
            "adagc is for clip-l2-per-param-type",
        ),
        (
            ["apply", "run", "--dry-run", "-t", "skip-olmo", "-s", "ClipL2PerLayer"],
            "skip-olmo is for clip-by-global-norm",
        ),
        (
            ["apply", "run", "--dry-run", "-t", "1", "--layer", "a=:adagc:beta=0.9"],
            "adagc is for clip-l2-per-param-type",
        ),
        (["apply", "run", "--dry-run", "-t", "skip-above:5", "--epsilon", "1e-6"], "leave out --epsilon"),
        (["stats", "run", "--rule", "aggc", "--norm-type", "inf"], "aggc joins L2 norms; leave out --norm-type"),
        (["stats", "run", "--rule", "adagc", "-s", "ClipL2PerLayer"], "adagc is for clip-l2-per-param-type"),
        (["stats", "run", "--try", "clip-by-norm:skip-olmo"], "skip-olmo is for clip-by-global-norm"),
        (["stats", "run", "--try", "skip-above"], "needs a number, as in skip-above:10"),
        (["stats", "run", "-s", "autoclip"], "autoclip is a rule, and no strategy; apply takes it with -t, stats with"),
        (["apply", "run", "--dry-run", "-s", "skip-olmo:3"], "skip-olmo is a rule, and no strategy; apply takes it"),
        (["apply", "run", "--dry-run", "-t", "agc:0.01"], "agc is a strategy, and no rule; give it with -s, and a"),
        (["stats", "run", "--rule", "Global_Norm"], "global_norm is a strategy, and no rule; give it with -s"),
        (
            ["apply", "run", "--dry-run", "-t", "1", "--min-weight-norm", "0"],
            "--min-weight-norm is for strategies that",
        ),
        (
            ["stats", "run", "--try", "ClipL2PerLayer:1", "--min-weight-norm", "0"],
            "--min-weight-norm is for strategies",
        ),
        (["stats", "log.csv", "--try", "adagc"], "adagc:1.04 needs the norm of each tensor at each step"),
        (["stats", "log.csv", "--try", "agc:0.1"], "adaptive-clip needs more than the norms that log.csv holds"),
        (["stats", "log.csv", "--rule", "adagc"], "adagc:1.04 needs the norm of each tensor at each step"),
        (
            ["stats", "log.csv", "--try", "stable-spam"],
            "stable-spam:0.999 needs the elements of each tensor at each step",
        ),
        (
            ["apply", "run", "--dry-run", "-t", "stable-spam", "-s", "ClipL2PerLayer"],
            "is for clip-elementwise-absolute-value",
        ),
        (["apply", "run", "--dry-run", "-t", "stable-spam:1"], "stable-spam needs a number from 0 to 0.99999, not '1'"),
    ],
)
def test_what_does_not_fit_is_wrong_usage(argv: list[str], reason: str, run_of_forty: None, run: Run) -> None:
    """A strategy of another kind, an epsilon, or norms that are not there: one line and exit code 2."""
    found = run(*argv)
    assert (found.code, reason in found.err) == (2, True), found.err


def test_parameters_by_name_in_an_override_and_a_file(run_of_forty: None, run: Run) -> None:
    """The `=` of parameters is not that of --layer, and a file for --config holds the same."""
    argv = ["apply", "run", "--dry-run", "-s", "clip-by-norm", "-t", "9", "--layer", "b=:adagc:lambda=1.1,warmup=3"]
    first = run(*argv, "--print-config").out
    Path("clip.toml").write_text(first)
    assert 'threshold = "adagc:1.1,warmup=3"' in first
    assert tree(run, *argv) == tree(run, "apply", "run", "--dry-run", "--config", "clip.toml")


def test_tensors_of_no_type_are_counted(save: Save, run: Run) -> None:
    """The rule aggc leaves tensors of no type of module as they are: a note counts them, in `apply`, `stats` and what is tried."""
    Path("plain").mkdir()
    for step in range(12):
        save(f"plain/step_{step}.npz", **{"0.weight": np.array([1.0 + step]), "fc.weight": np.array([1.0])})
    said = "1 of 2 tensors is of no type of module, and left as read"
    assert f"note: -t aggc:0.98: {said}" in run("apply", "plain", "--dry-run", "-t", "aggc").err
    assert said in tree(run, "stats", "plain", "--rule", "aggc")["suggestions"][-1]["note"]
    assert tree(run, "stats", "plain", "--try", "aggc")["tries"][0]["note"].endswith(said)
    assert "no type" not in run("apply", "plain", "--dry-run", "-t", "aggc", "--exclude", "0.*").err


def test_a_note_on_several_tries_names_their_rules(run_of_forty: None, run: Run) -> None:
    """What holds for several tries is said once, with the rules, and with the strategies where one rule is tried with two."""
    words = ("--try", "zclip", "--try", "adagc", "--try", "autoclip", "--try", "clip-by-norm:autoclip")
    found = " ".join(run("stats", "run", *words).out.split())
    names = "zclip:2.5, adagc:1.04, clip-by-global-norm autoclip:10, clip-l2-per-param-type autoclip:10"
    assert found.count("each step has its own threshold") == 1
    assert f"{names}: each step has its own threshold" in found


def test_a_rule_of_steps_beside_units_that_are_tried(run_of_forty: None, run: Run) -> None:
    """A number tried on units goes with any --rule, whose row stands for the strategies that have one norm a step."""
    found = tree(run, "stats", "run", "-s", "all", "--rule", "skip-above:5", "--try", "clip-by-unit-norm:0.6")
    assert [row["strategy"] for row in found["suggestions"] if row["rule"] == "skip-above:5"] == ["clip-by-global-norm"]
    assert found["tries"][0]["clip_rate"] == pytest.approx((40 + 1 + 26) / 80)
    refused = run("stats", "run", "-s", "clip-by-unit-norm", "--rule", "skip-above:5")
    assert (refused.code, refused.out) == (2, "")


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (
            "--print-threshold",
            "Error: skip-olmo:6,window=40: skips 1 of 40 steps: 30; apply -t skip-olmo:6,window=40 does",
        ),
        ("--paste", "what the rule says; there is nothing to paste"),
    ],
)
def test_a_skipping_rule_has_no_threshold_to_print(run_of_forty: None, run: Run, option: str, said: str) -> None:
    """The error says what the rule does and what takes it, and does not blame the file."""
    words = ["torch"] if option == "--paste" else []
    found = run("stats", "run", "-s", "clip-by-global-norm", "--rule", "skip-olmo:6,window=40", option, *words)
    assert (found.code, found.out) == (3, "")
    assert said in found.err
    assert "check the path" not in found.err
