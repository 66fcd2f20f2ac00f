"""The table of thresholds has one column of steps, which is cut to fit."""

from pathlib import Path

import numpy as np
from support.official import savez

from gradclip_cli import stats
from gradclip_cli.render.screens.line import text_of
from gradclip_cli.render.screens.room import Room
from gradclip_cli.render.screens.stats_thresholds import lines


def test_steps_that_do_not_fit_are_counted(tmp_path: Path) -> None:
    """Every other of 40 steps is above the mean: on a narrow terminal the last ones are counted, 20 in all."""
    for step in range(40):
        savez(tmp_path / f"step_{step}.npz", **{"fc.w": np.array([1.0 + step % 2])})
    found = [text_of(line) for line in lines(stats(tmp_path), Room(60))]
    (row,) = (line for line in found if "mean " in line and "rule" not in line)
    listed = row.split(" %  ")[1].split("  ")[0]
    *steps, more = listed.split(", ")
    assert len(steps) + int(more.removesuffix(" more")) == 20
    assert steps == [str(2 * k + 1) for k in range(len(steps))]
