"""The command that is proposed applies the advice to the same dumps, with the same options."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.official import savez

from gradclip_cli import stats

NORMS = [1.0, 1.1, 0.9, 1.2, 1.0]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Five dumps in a folder `a run`."""
    monkeypatch.chdir(tmp_path)
    Path("a run").mkdir()
    for step, norm in enumerate(NORMS):
        savez(f"a run/step_{step}.npz", **{"fc.w": np.array([norm])})
    return Path("a run")


def command(*paths: str, **options: Any) -> str:
    """The command that is proposed."""
    return stats(paths, **options).command


def test_a_folder_is_applied_to_another(run: Path) -> None:
    """A path is quoted for the shell, and the strategy that is the default is not named."""
    assert command("a run") == "gradclip apply 'a run' -o clipped/ -t 1.04 --dry-run"


def test_what_changes_the_result_is_repeated(run: Path) -> None:
    """Another strategy, norm, epsilon and patterns belong to the command."""
    found = command("a run", strategy="clip-by-norm", norm_type=1.0, epsilon=1e-6, include=["fc*"], steps="0:4")
    options = "-s clip-l2-per-param-type -t 1.04 --norm-type 1 --epsilon 1e-06 --steps 0:4 --include 'fc*' --dry-run"
    assert found == f"gradclip apply 'a run' -o clipped/ {options}"


def test_steps_that_apply_would_refuse(run: Path) -> None:
    """Where a dump is not finite, the command says what to do with it, since `apply` refuses otherwise."""
    savez("a run/step_5.npz", **{"fc.w": np.array([np.nan])})
    assert command("a run").endswith("-t 1.04 --nonfinite zero --dry-run")


def test_many_paths_are_not_repeated(run: Path) -> None:
    """Up to three paths are, and none that does not print."""
    paths = [f"a run/step_{step}.npz" for step in range(5)]
    assert command(*paths).startswith("gradclip apply FILE... -o clipped/")
    three = " ".join(f"'{path}'" for path in paths[:3])
    assert command(*paths[:3]).startswith(f"gradclip apply {three} -o clipped/ -t")


def test_a_series_in_one_file_becomes_one_file(run: Path) -> None:
    """The output has the suffix of the input."""
    savez("log.npz", **{"fc.w": np.array(NORMS)[:, None]})
    assert command("log.npz", along=0) == "gradclip apply log.npz -o clipped.npz -t 1.04 --along 0 --dry-run"


def test_there_is_no_command_without_advice(run: Path) -> None:
    """One dump chooses nothing, nor do two that the mean cuts in halves."""
    assert command("a run/step_0.npz") == ""
    assert command("a run/step_0.npz", "a run/step_1.npz") == ""


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"unscale": 0.5}, "--unscale 0.5"),
        ({"tied": "once"}, "--tied once"),
        ({"allow_missing": True}, "--allow-missing"),
        ({"files": ["step_*"], "repeated": "first"}, "--files 'step_*' --repeated first"),
        ({"group_depth": 1}, "--group-depth 1"),
        ({"epsilon": 1.23456789e-6}, "--epsilon 1.23456789e-06"),
    ],
)
def test_every_option_about_inputs_is_repeated(run: Path, options: dict[str, Any], words: str) -> None:
    """Without them the figures would be of other dumps, or in other units."""
    assert f" {words} --dry-run" in command("a run", **options)


def test_what_apply_refuses_is_not_proposed(run: Path) -> None:
    """`apply` takes whole files, so there is no command for some of their steps; for all of them there is."""
    savez("log.npz", **{f"step_{step}/fc.w": np.array([norm]) for step, norm in enumerate([*NORMS, 1.0])})
    savez("slices.npz", **{"fc.w": np.array([*NORMS, 1.0])[:, None]})
    assert command("log.npz", steps="0:4") == ""
    assert command("slices.npz", along=0, steps="0:4") == ""
    assert command("log.npz", steps="0:5") == "gradclip apply log.npz -o clipped.npz -t 1.033 --steps 0:5 --dry-run"


def test_a_pattern_that_does_not_print_is_not_proposed(run: Path) -> None:
    """A shell would not read back what stands for it."""
    savez("a run/step_0.npz", **{"fc.w": np.array([1.0]), "a\x1bb": np.array([1.0])})
    assert command("a run", exclude=["a\x1bb*"], allow_missing=True) == ""
