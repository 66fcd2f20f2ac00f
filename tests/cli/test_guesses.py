"""Cheap guesses work: what a user types who has not read the help does what is meant, or is answered by what would."""

import json
from pathlib import Path

import numpy as np
import pytest
from docs.places import SAMPLES
from support.command import Run, Save

LSTM = SAMPLES / "char_lstm"
STEPS = "stats", "check", "ls"


@pytest.mark.parametrize("name", ["json", "csv", "tsv"])
@pytest.mark.parametrize("command", ["stats", "check", "ls"])
def test_formats_are_options(name: str, command: str, run: Run) -> None:
    """`--json` is `-f json`, and so are `--csv` and `--tsv`; giving both ways is no conflict."""
    wanted = run(command, LSTM, "-f", name)
    assert run(command, LSTM, f"--{name}") == run(command, LSTM, f"--{name}", "-f", name) == wanted
    assert wanted.code in (0, 1)


@pytest.mark.parametrize("argv", ["--json --csv", "--json -f csv", "--tsv -f table", "--csv --tsv --json"])
def test_two_formats_are_wrong_usage(argv: str, run: Run) -> None:
    """Two different formats exclude each other, and the error names the options."""
    result = run("ls", LSTM, *argv.split())
    assert (result.code, result.out) == (2, "")
    assert "exclude each other: a report has one format" in result.err
    assert all(one in result.err for one in argv.split() if one.startswith("--"))


@pytest.mark.parametrize(
    ("variables", "text", "argv", "first"),
    [
        ({"GRADCLIP_STATS_JSON": "1"}, "", [], "{"),
        ({"GRADCLIP_STATS_JSON": "1"}, "", ["-f", "csv"], "s"),
        ({"GRADCLIP_STATS_FORMAT": "csv"}, "", ["--json"], "{"),
        ({}, "json = true", [], "{"),
        ({}, "json = true", ["--csv"], "s"),
        ({}, 'format = "csv"', ["--json"], "{"),
        ({"GRADCLIP_STATS_JSON": "0"}, "csv = true", [], "s"),
        ({"GRADCLIP_STATS_CSV": "1"}, "json = true", [], "s"),
    ],
)
def test_the_nearest_format_wins(
    variables: dict[str, str],
    text: str,
    argv: list[str],
    first: str,
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The command line wins over the environment, and that over the file, whichever of the options each of them uses."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "c.toml").write_text(text)
    result = run("stats", LSTM, "--config", tmp_path / "c.toml", *argv)
    assert (result.code, result.out[:1]) == (0, first)


def test_n_is_top(run: Run) -> None:
    """`-n N` is `--top N`."""
    assert run("ls", LSTM, "--csv", "-n", "2") == run("ls", LSTM, "--csv", "--top", "2")
    assert len(run("ls", LSTM, "--csv", "-n", "2").out.splitlines()) == 3


def steps_of(result: object) -> list[int]:
    """Return the steps in a report of stats."""
    return [dump["step"] for dump in json.loads(result.out)["dumps"]]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("steps", "taken"),
    [
        ("9", [9]),
        ("4:6", [4, 5, 6]),
        ("4-6", [4, 5, 6]),
        ("12:", [12, 13, 14]),
        (":2", [1, 2]),
        ("1-2, 9,13:", [1, 2, 9, 13, 14]),
        (" 9 : 9 ", None),
        ("14:200", [14]),
    ],
)
def test_steps_are_ranges_with_both_ends(steps: str, taken: list[int] | None, run: Run) -> None:
    """`--steps` takes a step, a range with both ends in it, an open one, or several, as screens write them."""
    result = run("stats", LSTM, "--steps", steps, "--json")
    assert result.code == (2 if taken is None else 0)
    if taken is not None:
        assert steps_of(result) == taken
        assert run("stats", LSTM, "--step", steps, "--json") == result


def test_every_command_takes_steps(run: Run, tmp_path: Path) -> None:
    """`check`, `ls`, `diff` and `apply` take the dumps of the steps, and no others."""
    nine = LSTM / "step_00009.safetensors"
    for command in ("check", "ls", "stats"):
        assert run(command, LSTM, "--step", "9", "--json") == run(command, nine, "--json")
    assert run("diff", LSTM, LSTM, "--step", "9", "-q").code == 0
    argv = "-s", "clip_grad_norm_", "-t", "1", "-q"
    assert run("apply", LSTM, "-o", tmp_path / "out", "--steps", "8:9", *argv).code == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "step_00008.safetensors",
        "step_00009.safetensors",
    ]


@pytest.mark.parametrize("command", [["stats"], ["check"], ["ls"], ["apply", "-s", "none", "--dry-run"]])
def test_steps_that_are_not_there_are_wrong_usage(command: list[str], run: Run) -> None:
    """A range that takes nothing names the steps there are."""
    result = run(*command, LSTM, "--steps", "40:")
    assert (result.code, result.out) == (2, "")
    assert result.err.splitlines()[-1] == "Error: --steps 40: takes nothing of the 14 dumps; steps are 1-14"


def test_steps_are_those_that_reports_name(save: Save, run: Run) -> None:
    """A file that says another step than its name, as a capture does, is taken by its own word; groups by their names."""
    import safetensors.numpy

    for name, step in (("step_1", "7"), ("step_2", "2")):
        metadata = {"gradclip": "capture/1", "step": step}
        safetensors.numpy.save_file({"w": np.ones(3, np.float32)}, f"{name}.safetensors", metadata)
    taken = run("stats", "step_1.safetensors", "step_2.safetensors", "--step", "7", "--json")
    assert steps_of(taken) == [7]
    assert run("stats", "step_1.safetensors", "step_2.safetensors", "--step", "1").code == 2
    save("log.npz", **{f"step{k}/fc.w": np.full(2, k, np.float32) for k in range(1, 6)})
    assert steps_of(run("stats", "log.npz", "--steps", "2:3", "--json")) == [2, 3]
    assert "steps are 1-5" in run("stats", "log.npz", "--steps", "6").err


@pytest.mark.parametrize("command", [["ls"], ["apply", "-s", "none", "--dry-run"]])
def test_part_of_a_file_is_not_taken_silently(command: list[str], save: Save, run: Run) -> None:
    """A command that takes whole files refuses some of the steps in one, and takes all of them."""
    save("log.npz", **{f"step{k}/fc.w": np.full(2, k, np.float32) for k in range(1, 6)})
    result = run(*command, "log.npz", "--step", "3")
    assert result.code == 2
    assert "log.npz holds steps 1-5, and this command takes whole files" in result.err
    assert run(*command, "log.npz", "--steps", "1:5") == run(*command, "log.npz")


def test_slices_have_steps(save: Save, run: Run) -> None:
    """With --along 0, `stats` takes the slices of the steps; the others refuse both options together."""
    save("log.npz", **{"fc.w": np.arange(10, dtype=np.float32).reshape(5, 2), "step": np.arange(10, 60, 10)})
    found = json.loads(run("stats", "log.npz", "--along", "0", "--steps", "20:30", "--json").out)["dumps"]
    assert [(dump["step"], dump["norm"]) for dump in found] == [(20, 13**0.5), (30, 41**0.5)]
    assert "steps are 10, 20, 30, 40, 50" in run("stats", "log.npz", "--along", "0", "--steps", "7").err
    for command in (["check"], ["apply", "-s", "none", "--dry-run"]):
        assert "--steps and --along exclude each other" in run(*command, "log.npz", "--along", "0", "--step", "20").err


def test_what_has_no_step_is_refused_or_noted(save: Save, run: Run) -> None:
    """A dump without a step is refused alone; among others it is left out, with a note that also -q shows."""
    save("final.npz", w=[2.0])
    refused = run("stats", "final.npz", "--step", "1")
    assert (refused.code, "final.npz has no step that --steps 1 could take" in refused.err) == (2, True)
    save("step_1.npz", w=[1.0])
    save("step_2.npz", w=[1.0])
    taken = run("stats", "final.npz", "step_1.npz", "step_2.npz", "--step", "2", "--json", "-q")
    assert steps_of(taken) == [2]
    assert taken.err == "note: final.npz: has no step, so --steps leaves it out; give it by itself to take it\n"


@pytest.mark.parametrize("text", ["x", "", ":", "5-3", "1;2", "-4", "1,,2", "1.5"])
def test_what_is_no_step_is_wrong_usage(text: str, run: Run) -> None:
    """Anything but steps is refused before a dump is read."""
    result = run("stats", "nosuch", f"--steps={text}")
    assert result.code == 2
    assert "step" in result.err.splitlines()[-1]


def test_steps_come_from_environment_and_file(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """GRADCLIP_STATS_STEPS and the key `steps`, a number or a text, do what the option does; --print-config writes it."""
    (tmp_path / "c.toml").write_text("steps = 9")
    assert steps_of(run("stats", LSTM, "--json", "--config", tmp_path / "c.toml")) == [9]
    monkeypatch.setenv("GRADCLIP_STATS_STEPS", "8:9")
    assert steps_of(run("stats", LSTM, "--json")) == [8, 9]
    assert run("apply", "-s", "none", "--steps", "8:9", "--print-config").out == 'strategy = "none"\nsteps = "8:9"\n'


@pytest.mark.parametrize(("spelled", "rule"), [("p90", "percentile:90"), ("P99.5", "percentile:99.5")])
def test_percentiles_are_short(spelled: str, rule: str, run: Run) -> None:
    """`p90` is `percentile:90` wherever a rule stands."""
    assert run("stats", LSTM, "--rule", spelled, "--json") == run("stats", LSTM, "--rule", rule, "--json")
    argv = "apply", LSTM, "-s", "clip-by-global-norm", "--dry-run", "--json", "-t"
    assert run(*argv, spelled) == run(*argv, rule)
    trial = "stats", LSTM, "--json", "--try"
    assert run(*trial, f"clip-by-norm:{spelled}") == run(*trial, f"clip-by-norm:{rule}")


@pytest.mark.parametrize(
    ("spelled", "rule"), [("percentile=90", "percentile:90"), ("zscore=3", "zscore:3"), ("mad=5", "mad:5")]
)
def test_rules_take_an_equals_sign(spelled: str, rule: str, run: Run) -> None:
    """`zscore=3` is `zscore:3`."""
    assert run("stats", LSTM, "--rule", spelled, "--json") == run("stats", LSTM, "--rule", rule, "--json")
    argv = "apply", LSTM, "-s", "clip-by-global-norm", "--dry-run", "--json", "-t"
    assert run(*argv, spelled) == run(*argv, rule)


NAMES = {
    "clip_grad_norm_": "clip-by-global-norm",
    "clip_grad_norm": "clip-by-global-norm",
    "clip_by_global_norm": "clip-by-global-norm",
    "global_norm": "clip-by-global-norm",
    "global_clipnorm": "clip-by-global-norm",
    "clip_grad_value_": "clip-elementwise-absolute-value",
    "clipvalue": "clip-elementwise-absolute-value",
    "clip_by_value": "clip-elementwise-absolute-value",
    "clipnorm": "clip-l2-per-param-type",
    "clip_by_norm": "clip-l2-per-param-type",
}


@pytest.mark.parametrize(("name", "strategy"), NAMES.items())
def test_strategies_have_the_names_of_frameworks(name: str, strategy: str, run: Run) -> None:
    """PyTorch's, TensorFlow's, optax's and Keras' names are names of the strategies."""
    result = run("apply", LSTM / "step_00009.safetensors", "-s", name, "-t", "1", "--dry-run", "--json")
    assert json.loads(result.out)["strategy"] == strategy


@pytest.mark.parametrize("path", ["g.npz", "run/", "nosuch/g", "nosuch.safetensors", "a b.h5", "folder"])
def test_a_path_is_no_command(path: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path that is given as the command is wrong usage that says what to type."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    result = run(path)
    quoted = f"'{path}'" if " " in path else path
    assert result.code == 2
    assert result.err.splitlines()[-1] == f"Error: {quoted} is a path, and no command; give `gradclip stats {quoted}`"


TENSORS = {"h.0.attn.w": [1.0], "h.1.attn.w": [2.0], "h.0.mlp.w": [3.0]}


@pytest.mark.parametrize("option", ["--include", "--exclude"])
@pytest.mark.parametrize(
    "command", [["stats"], ["check"], ["ls"], ["stats", "--allow-missing"], ["apply", "-s", "none", "--dry-run"]]
)
def test_a_pattern_without_a_wildcard(command: list[str], option: str, save: Save, run: Run) -> None:
    """A pattern that matches no whole name is answered by how many names it would match with wildcards."""
    save("g.npz", **TENSORS)
    result = run(*command, "g.npz", option, "attn")
    assert result.code == 2
    assert result.err.splitlines()[-1] == f"Error: {option} attn matches no tensor; '*attn*' would match 2"
    assert run(*command, "g.npz", option, "h.0.attn.w").code == 0


def test_a_name_that_stands_in_no_other_may_be_left_out(save: Save, run: Run) -> None:
    """--exclude may name what some dumps do not have, as long as it is no part of a name that they have."""
    save("g.npz", **TENSORS)
    assert run("stats", "g.npz", "--exclude", "lm_head.weight").code == 0
    assert run("stats", "g.npz", "--exclude", "*.bias").code == 0


def test_patterns_of_diff_and_layer(save: Save, run: Run) -> None:
    """`diff` and the layers of `apply` are answered alike."""
    for name in ("a.npz", "b.npz"):
        save(name, **TENSORS)
    for option in ("--include", "--exclude"):
        said = run("diff", "a.npz", "b.npz", option, "attn").err.splitlines()[-1]
        assert said == f"Error: {option} attn matches no tensor; '*attn*' would match 2"
    assert run("diff", "a.npz", "b.npz", "--exclude", "h.0.attn.w").code == 0
    result = run("apply", "a.npz", "-s", "none", "--dry-run", "--layer", "attn=clip-by-norm:1")
    assert result.err.splitlines()[-1] == "Error: --layer attn matches no layer; '*attn*' would match 2"


def test_no_color_is_understood(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """--no-color, NO_COLOR and GRADCLIP_LS_NO_COLOR are taken, and change nothing in a pipe."""
    wanted = run("ls", LSTM, "--step", "1")
    assert run("ls", LSTM, "--step", "1", "--no-color") == wanted
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("GRADCLIP_LS_NO_COLOR", "1")
    assert run("ls", LSTM, "--step", "1") == wanted
