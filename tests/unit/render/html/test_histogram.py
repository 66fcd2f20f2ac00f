"""How often norms occur."""

from pathlib import Path

import numpy as np
from support.log_reports import log_report

from gradclip_cli.render.html.histogram import counts, histogram, table
from gradclip_cli.render.html.norm_axis import NormAxis
from gradclip_cli.render.html.slider import slider

NORMS = np.exp(np.random.default_rng(3).normal(0, 1, 500))
AXIS = NormAxis.of(NORMS.tolist(), [])


def test_bars_hold_all_norms() -> None:
    """The bars add up to all norms, and each holds those from its lower end to its upper end."""
    bars = counts(NORMS, AXIS)
    assert sum(count for _, _, count in bars) == len(NORMS)
    low, high, count = bars[20]
    assert abs(np.count_nonzero((low <= NORMS) & (high > NORMS)) - count) <= 1  # the ends are rounded to be drawn
    assert sum(int(row[-1]) for row in table(NORMS, AXIS, "step").rows) == len(NORMS)


def test_the_line_is_the_clip_rate_of_each_threshold(tmp_path: Path) -> None:
    """At each threshold of the slider, the line has the share of the norms above it."""
    moves = slider(log_report(tmp_path / "log.csv", NORMS.tolist()).stats, AXIS)
    assert moves is not None
    line = histogram(NORMS, AXIS, moves, "step")["layer"][1]["data"]["values"]
    expected = [round(np.count_nonzero(at < NORMS) / len(NORMS), 4) for at in moves.thresholds]
    assert [row["share"] for row in line] == expected


def test_it_has_the_axis_of_the_line() -> None:
    """Every layer has the same fixed ends, so that the picture beside it can be read across."""
    layers = histogram(NORMS, AXIS, None, "step")["layer"]
    assert [layer["encoding"]["y"]["scale"]["domain"] for layer in layers] == [AXIS.domain]
