"""The answer stands at the top, in the words of `stats` and `check`."""

from pathlib import Path

from support.made_runs import SHOWN, one_tensor
from support.run_reports import run_report

from gradclip_cli.render.html.answer import answer


def test_what_stands_out_comes_first(tmp_path: Path) -> None:
    """It names the step, the layer and the threshold, the worst first."""
    said = answer(run_report(str(SHOWN["exploding"](tmp_path).inputs)))
    assert [one.head for one in said[:2]] == ["NaN", "Exploding"]
    assert said[0].rest.startswith("at step 80: blocks.5.attn.qkv.weight")
    assert "at step 69: norm" in said[1].rest
    assert said[-1].rest.startswith("Take 7.822 (mad:5) for clip-by-global-norm")


def test_a_sound_run_has_no_findings(tmp_path: Path) -> None:
    """Then it says so, and which threshold to take all the same."""
    said = answer(run_report(str(one_tensor().write(tmp_path / "run"))))
    assert [(one.style, one.head) for one in said] == [("", "No findings"), ("", "")]
