"""Two runs part at a step, in some blocks, as `diff` has it."""

from pathlib import Path

import numpy as np
import pytest
from support.made_runs import MadeRun
from support.run_reports import run_report

import gradclip_cli
from gradclip_cli.render.html.norm import picture
from gradclip_cli.render.html.parting import parting
from gradclip_cli.reports.run import RunReport

NAMES = ("h.0.a.weight", "h.1.a.weight", "h.1.b.weight", "head.weight")


def run_in(folder: Path, first: int = 1, names: tuple[str, ...] = NAMES, at: int = 12) -> str:
    """Write twelve steps whose norms are all 1, but for block 1 from a step on."""
    norms = np.ones((12, len(names)))
    norms[at - 1 :, 1:3] = 2.0
    MadeRun(names, norms).write(folder)
    for path in sorted(folder.iterdir(), reverse=first > 1):
        path.rename(folder / f"step_{int(path.stem[5:]) + first - 1:05}.safetensors")
    return str(folder)


def held(tmp_path: Path, *, names: tuple[str, ...] = NAMES, first: int = 1, at: int = 5) -> RunReport:
    """A run held against another, which is called `good`."""
    return run_report(run_in(tmp_path / "run", at=at), against=run_in(tmp_path / "good", first, names))


def test_the_first_step_and_its_blocks_are_those_of_diff(tmp_path: Path) -> None:
    """Since when and where two runs differ is what `diff` finds; nothing is said of one run."""
    report = held(tmp_path)
    assert [*parting(report)] == [
        ("Against good:", "7 of 12 steps differ, the first is step 5, in 2 of 4 norms; first in h.1.")
    ]
    first = gradclip_cli.diff(str(tmp_path / "run"), str(tmp_path / "good")).first
    assert first is not None
    assert (first.step, {name[:3] for name in first.params}) == (5, {"h.1"})
    assert [*parting(report._replace(against=None, parted=None))] == []


def test_equal_runs_are_called_so(tmp_path: Path) -> None:
    """Norms that are all the same part nowhere."""
    ((_, told),) = parting(held(tmp_path, at=12))
    assert told == "12 steps in both, and the norms are the same."


@pytest.mark.parametrize(("first", "drawn"), [(13, False), (7, True)])
def test_without_a_step_in_common_the_axis_is_that_of_the_run(first: int, drawn: bool, tmp_path: Path) -> None:
    """Then the answer says so, and the axis of steps does not reach for the other run."""
    report = held(tmp_path, first=first)
    ((_, told),) = parting(report)
    assert told.startswith("the runs have no step in common: steps 1-12 in ") is not drawn
    shown = picture(report)
    assert shown is not None
    domain = str(shown.alone["hconcat"][0]["layer"][-1])
    assert ("[1, 18]" in domain) is drawn
    assert ("[1, 12]" in domain) is not drawn


def test_without_a_layer_in_common_there_is_no_map_of_ratios(tmp_path: Path) -> None:
    """And the answer says why."""
    ((_, told),) = parting(held(tmp_path, names=("x.weight", "y.weight", "z.weight")))
    assert (
        "There is no map of ratios: no layer has the same name in both runs, such as h.0.a in this one and x in the other."
        in told
    )
