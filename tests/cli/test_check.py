"""`gradclip check` on the command line: exit codes, the choice of rules, and what is shown."""

import json
from pathlib import Path

import numpy as np
import pytest
from support.command import Result, Run, Save


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
    """Where nothing is wrong, one line says so, and the exit code is 0."""
    assert run("check", ".") == Result(0, "no findings in 2 dumps\n", "")


def test_sick(sick: None, run: Run) -> None:
    """A line sums the findings up, each has a line below, non-finite tensors first, and the exit code is 1."""
    result = run("check", ".")
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
    result = run("check", ".")
    assert "\x1b" not in result.out
    assert result.out.count("\\x1b[31m") == 2


def test_environment(sick: None, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Options may stand in the environment, as for every command."""
    monkeypatch.setenv("GRADCLIP_CHECK_IGNORE", "dead,nonfinite")
    assert run("check", ".").code == 0
