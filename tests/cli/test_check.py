"""`gradclip check` on the command line: exit codes, the choice of rules, and what is shown."""

import json
from pathlib import Path

import numpy as np
import pytest
from support.command import Result, Run, Save
from support.official import savez


@pytest.fixture
def sick(save: Save) -> None:
    """Three steps in the working directory: `a.w` is dead from the first on, `b.w` goes bad at the second."""
    for step, value in enumerate((1.0, np.nan, np.nan), 1):
        save(f"step_{step}.npz", **{"a.w": [0.0, 0.0], "b.w": [value, step]})


@pytest.fixture
def healthy(save: Save) -> None:
    """Two steps in the working directory with nothing wrong."""
    for step in (1, 2):
        save(f"step_{step}.npz", **{"a.w": [1.0, step], "b.w": [step, -1.0]})


def rules(result: Result) -> list[str]:
    """Return the rules of the findings in the JSON."""
    return [one["rule"] for one in json.loads(result.out)["findings"]]


def test_healthy(healthy: None, run: Run) -> None:
    """Where nothing is wrong, one line says so, and what so few dumps do not tell; the exit code is 0."""
    unjudged = "explosions not judged, which takes 5"
    assert run("check", ".") == Result(0, f"no findings in 2 dumps; {unjudged}\n", "")
    assert run("check", ".", "--exploding-dumps", "2") == Result(0, "no findings in 2 dumps\n", "")
    assert run("check", ".", "--ignore", "exploding") == Result(0, "no findings in 2 dumps\n", "")
    assert run("check", "step_1.npz") == Result(0, "no findings in 1 dump\n", "")


def test_what_is_not_judged_is_a_note(healthy: None, run: Run) -> None:
    """JSON has it among its notes, and standard error where the report itself does not say it."""
    note = "2 dumps: explosions not judged, which takes 5 (--exploding-dumps)"
    done = run("check", ".", "-f", "json")
    assert json.loads(done.out)["notes"] == [
        {"kind": "not-judged", "text": note, "times": 1, "changes_figures": False},
    ]
    assert done.err == f"note: {note}\n"
    assert run("check", ".", "--by", "finding").err == ""


def test_without_gradients_nothing_is_checked(save: Save, run: Run) -> None:
    """Integers and empty tensors are no gradients: that is not told as sound, and the exit code is 0."""
    for step in range(3):
        save(f"step_{step}.npz", n=np.arange(3), w=np.zeros((0, 4)))
    assert run("check", ".") == Result(0, "no gradient in 3 dumps: nothing was checked\n", "")
    notes = json.loads(run("check", ".", "-f", "json").out)["notes"]
    assert [one["kind"] for one in notes] == ["no-gradient"]


@pytest.mark.parametrize(
    ("word", "rule"), [("nan", "nonfinite"), ("Inf", "nonfinite"), ("spike", "exploding"), ("zero", "dead")]
)
def test_other_words_for_rules(word: str, rule: str, healthy: None, run: Run) -> None:
    """What people call a problem leads to the rule that finds it."""
    done = run("check", ".", "--fail-on", word)
    assert done.code == 2
    assert done.err.endswith(f"there is no rule {word!r}; did you mean {rule}?\n")


def test_sick(sick: None, run: Run) -> None:
    """A line sums the findings up, each has a line below, non-finite tensors first, and the exit code is 1."""
    result = run("check", ".", "--by", "finding")
    title, headings, _, first, second, *rest = result.out.splitlines()
    assert result.code == 1
    assert title == "2 findings in 3 dumps: dead 1, nonfinite 1"
    assert headings.split() == ["rule", "step", "layer", "param", "value", "limit", "message", "input"]
    assert first.split()[:6] == ["nonfinite", "2", "b", "w", "1", "0"]
    assert "1 NaN of 2 elements, at [0]; the first to go bad" in first
    assert second.split()[:6] == ["dead", "1", "a", "w", "1", "1"]
    assert rest == [""]


@pytest.mark.parametrize(
    ("argv", "found", "code"),
    [
        ("", ["nonfinite", "dead"], 1),
        ("--ignore dead", ["nonfinite"], 1),
        ("--ignore dead,nonfinite", [], 0),
        ("--ignore dead --ignore NonFinite", [], 0),
        ("--fail-on dead", ["nonfinite", "dead"], 1),
        ("--fail-on spread", ["nonfinite", "dead"], 0),
        ("--fail-on spread,dead", ["nonfinite", "dead"], 1),
        ("--fail-on spread --fail-on nonfinite", ["nonfinite", "dead"], 1),
        ("--ignore nonfinite --fail-on spread", ["dead"], 0),
        ("--exclude a.*", ["nonfinite"], 1),
        ("--vanishing-mean 2 --ignore nonfinite,dead", ["vanishing"], 1),
        ("--jobs 4", ["nonfinite", "dead"], 1),
    ],
)
def test_exit_code(argv: str, found: list[str], code: int, sick: None, run: Run) -> None:
    """The exit code is 1 if a rule finds something that is not ignored and, with --fail-on, is named there."""
    result = run("check", ".", *argv.split(), "-f", "json")
    assert (rules(result), result.code) == (found, code)


@pytest.mark.parametrize(("argv", "code"), [("", 1), ("--ignore dead,nonfinite", 0), ("--fail-on spread", 0)])
def test_quiet(argv: str, code: int, sick: None, run: Run) -> None:
    """With -q there is nothing but the exit code."""
    assert run("check", ".", "-q", *argv.split()) == Result(code, "", "")


def test_values(sick: None, run: Run) -> None:
    """Findings are rows of strict JSON; counts are whole numbers."""
    tree = json.loads(run("check", ".", "-f", "json").out)
    assert tree["dumps"] == 3
    assert tree["findings"][1] == {
        "rule": "dead",
        "input": "./step_1.npz",
        "step": 1,
        "layer": "a",
        "param": "w",
        "value": 1.0,
        "limit": 1.0,
        "message": "100 % of 2 elements are 0: frozen, not used, or behind units that are never active"
        " (in 3 of 3 dumps: step 1, step 2, step 3)",
        "block": "a",
        "dumps": 3,
        "steps": [[1, 3]],
        "worst": 1.0,
        "index": None,
        "slice": None,
    }
    assert '"value": 1, "limit": 0,' in run("check", ".", "-f", "json").out


def test_a_broken_dump(sick: None, run: Run) -> None:
    """With --keep-going the other dumps are judged, and the exit code is 3 all the same."""
    path = Path("step_1.npz")
    path.write_bytes(path.read_bytes()[:-30])
    assert run("check", ".").code == 3
    result = run("check", ".", "--keep-going", "-f", "json")
    assert (result.code, rules(result)) == (3, ["nonfinite", "dead"])
    assert "1 of 3 dumps left out" in result.err


def test_names_are_escaped(save: Save, run: Run) -> None:
    """Names from files are shown escaped, in messages too."""
    save("step_1.npz", **{"a.\x1b[31m": [np.nan], "b.w": [1.0]})
    save("step_2.npz", **{"a.\x1b[31m": [np.nan], "b.w": [np.nan]})
    result = run("check", ".", "--by", "finding")
    assert "\x1b" not in result.out
    assert result.out.count("\\x1b[31m") == 2
    assert "\\x1b[31m: 1 NaN of 1" in run("check", ".").out


def test_environment(sick: None, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Options may stand in the environment, as for every command."""
    monkeypatch.setenv("GRADCLIP_CHECK_IGNORE", "dead,nonfinite")
    assert run("check", ".").code == 0


def test_screen(sick: None, run: Run) -> None:
    """Without other wishes there is one screen: a verdict, a line for each problem, and the cure once a rule."""
    assert run("check", ".").out.splitlines() == [
        "2 problems in 3 dumps: nonfinite, dead",
        "",
        " nonfinite  b  1 tensor  steps 2-3  w: 1 NaN of 2, at [0]",
        "            usually a division by 0, a log of 0, or an overflow after gradients have exploded",
        " dead       a  1 tensor  always     w: 100 % of the values are 0",
        "            frozen, not used, or behind units that are never active",
        "",
        "3 dumps: explosions not judged, which takes 5 finite norms (--exploding-dumps)",
    ]


@pytest.mark.parametrize("kind", ["layer", "block", "step"])
def test_other_tables(kind: str, sick: None, run: Run) -> None:
    """`check` has one table, of findings."""
    result = run("check", ".", "--by", kind)
    assert (result.code, result.out) == (2, "")
    assert f"check has no tables by {kind}; it has them by finding" in result.err


def test_merged_lines_can_be_had_from_json(save: Save, run: Run) -> None:
    """What a line says of several blocks is in the findings of the JSON: blocks, dumps, ranges of steps and worst values."""
    for step in range(1, 6):
        tiny = {f"h.{k}.w": [2.0 ** (k - 31) * step] for k in range(2)}
        save(f"step_{step}.npz", **tiny, **{"head.w": [1.0 * step, 2.0]})
    out = run("check", ".", "--ignore", "spread,dominated", "-f", "json").out
    found = json.loads(out)["findings"]
    assert [(one["block"], one["dumps"], one["steps"], one["worst"]) for one in found if one["param"]] == [
        ("h.0", 5, [[1, 5]], 2.0**-31),
        ("h.1", 5, [[1, 5]], 2.0**-30),
    ]
    screen = run("check", ".", "--ignore", "spread,dominated").out
    assert " vanishing  h.0-1  2 tensors  always  at worst mean |g| 4.7e-10 (limit 1e-07)\n" in screen
    assert "1-5" in run("check", ".", "-f", "csv", "--columns", "steps").out.splitlines()


@pytest.fixture
def two_runs(tmp_path: Path, save: Save) -> None:
    """Write run/ and good/: a block of the run is ten times as large at step 4, which explodes no dump."""
    random = np.random.default_rng(0)
    for folder in ("run", "good"):
        (tmp_path / folder).mkdir()
        for step in range(8):
            arrays = {f"h.{k}.w": random.standard_normal(300) for k in range(2)}
            arrays["h.0.w"] *= 0.1 * (4 if folder == "run" and step == 4 else 1)
            save(f"{folder}/step_{step}.npz", **arrays)


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        ("run", 0),
        ("run --baseline good", 1),
        ("run --baseline good --fail-on unlike-baseline", 1),
        ("run --baseline good --fail-on exploding", 0),
        ("run --baseline good --unlike-baseline-spreads 20", 0),
        ("good --baseline good", 0),
        ("run --baseline nowhere", 3),
        ("run --fail-on unlike-baseline", 2),
        ("run --unlike-baseline-spreads 3", 2),
        ("run --baseline good --ignore unlike-baseline", 2),
        ("run --baseline good --unlike-baseline-spreads -1", 2),
    ],
)
def test_baseline(argv: str, code: int, two_runs: None, run: Run) -> None:
    """A run is held against a good one; options that would do nothing without one are wrong usage."""
    result = run("check", *argv.split(), "-q")
    assert (result.code, result.out) == (code, "")


def test_baseline_on_the_screen(two_runs: None, run: Run) -> None:
    """The line says at which step which block is how many times as large as usual in the good run."""
    lines = run("check", "run", "--baseline", "good").out.splitlines()
    assert lines[0] == "1 problem in 8 dumps: unlike-baseline"
    assert lines[2].startswith(" unlike-baseline  h.0  step 4  norm ")
    assert lines[2].endswith(" x the median of good")


def test_the_screen_names_the_row_that_explodes(tmp_path: Path, run: Run) -> None:
    """Where one row holds most of the step that explodes, the line of that explosion says which."""
    generator = np.random.default_rng(2)
    for step in range(12):
        values = generator.standard_normal((64, 16)).astype(np.float32)
        values[17] *= 400 if step == 8 else 1
        savez(tmp_path / f"step_{step}.npz", **{"emb.weight": values, "fc.w": np.ones((4, 4), np.float32)})
    (told,) = (line for line in run("check", tmp_path).out.splitlines() if line.startswith(" exploding"))
    assert "step 8" in told
    assert "row 17 of emb.weight holds" in told
