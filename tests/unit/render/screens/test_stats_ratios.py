"""The screen of `stats` tells ratios where there are weights, the largest first, and is silent where there are none."""

from pathlib import Path

import numpy as np
from support.official import save

from gradclip_cli import stats
from gradclip_cli.render.screens.line import text_of
from gradclip_cli.render.screens.room import Room
from gradclip_cli.render.screens.stats_ratios import lines
from gradclip_cli.reports.stats import StatsReport


def told(report: StatsReport) -> list[str]:
    """The lines of the screen."""
    return [text_of(line) for line in lines(report, Room(whole=True))]


def test_ratios(tmp_path: Path) -> None:
    """The whole comes first, with the update ratio if the learning rate is known; then blocks by their ratios."""
    grads = save(tmp_path, "npz", {"a.w": np.array([3.0, 4.0]), "b.w": np.array([1.0])})
    weights = save(tmp_path, "npz", {"a.w": np.array([10.0, 0.0]), "b.w": np.array([1.0])}, "w")
    assert told(stats(grads, weights=weights)) == [
        "|g| / |w|   median 0.5074   max 0.5074",
        " layers by ratio  |w|  |g| / |w|",
        " b                  1          1",
        " a                 10        0.5",
    ]
    first, *_, head, _, _ = told(stats(grads, weights=weights, lr=0.002))
    assert first.endswith("update 0.001015 (usual: 1e-3)")
    assert head.endswith("update")


def test_nothing_to_tell(tmp_path: Path) -> None:
    """Without weights there is no line, and weights of 0 are said."""
    grads = save(tmp_path, "npz", {"a.w": np.array([3.0, 4.0])})
    assert told(stats(grads)) == []
    assert told(stats(grads, weights=save(tmp_path, "npz", {"a.w": np.zeros(2)}, "w"))) == [
        "|g| / |w|   no ratio is finite"
    ]
