"""The answer stands at the top, in the words of `stats` and `check`."""

from pathlib import Path

import numpy as np
import pytest
from support.made_runs import SHOWN, MadeRun, one_tensor, planted
from support.run_reports import run_report

from gradclip_cli.render.html.answer import Said, answer


def told(said: list[Said]) -> dict[str, str]:
    """The lines by their first words."""
    return {one.head: one.rest for one in said}


def test_what_stands_out_comes_first(tmp_path: Path) -> None:
    """It names the step, the layer and the threshold, the worst first; growth is told once, of layers."""
    said = answer(run_report(str(SHOWN["exploding"](tmp_path).inputs)))
    assert [one.head for one in said] == ["NaN", "Exploding", "Growing", ""]
    assert said[0].rest.startswith("at step 80: blocks.5.attn.qkv.weight")
    assert "at step 69: norm" in said[1].rest
    assert said[2].rest.startswith("blocks.5, 2 layers, steps 47-80: at worst norm grows from ")
    assert said[2].rest.endswith("; also whole dump.")
    assert said[-1].rest.startswith("Take 7.822 (mad:5) for clip-by-global-norm")


def test_each_rule_that_found_something_has_a_line(tmp_path: Path) -> None:
    """With the steps and the block, for rules that `stats` says nothing of, too; steps of another kind are told apart."""
    said = told(answer(run_report(str(planted(300, 20).write(tmp_path / "run")))))
    assert said["Dead"] == "blocks.5, 1 tensor, steps 91-300: mlp.up.weight: 100 % of the values are 0."
    assert said["NaN"].endswith("; and 1 more step, Inf.")


def test_a_log_names_its_steps(tmp_path: Path) -> None:
    """Of a log `stats` names no tensor, so what is not finite is told as `check` tells it."""
    norms = np.array([*np.linspace(1, 2, 20), np.nan, np.inf])
    log = MadeRun(["all"], norms[:, None]).write_log(tmp_path / "trainer_state.json")
    assert told(answer(run_report(str(log))))["NaN and Inf"] == "steps 21-22: not finite in 2 steps."


def test_a_sound_run_has_no_findings(tmp_path: Path) -> None:
    """Then it says so, and which threshold to take all the same."""
    said = answer(run_report(str(one_tensor().write(tmp_path / "run"))))
    assert [(one.style, one.head) for one in said] == [("", "No findings"), ("", "")]


@pytest.mark.parametrize("steps", [1, 3])
def test_every_line_begins_with_a_capital(steps: int, tmp_path: Path) -> None:
    """Whatever is advised, and where there is nothing."""
    for one in answer(run_report(str(one_tensor(steps).write(tmp_path / "run")))):
        assert (one.head or one.rest)[0].isupper()
