"""The norm of the whole as lines."""

import json
import math
from pathlib import Path

import numpy as np
from support.log_reports import SPIKES, drawn, log_of, log_report, rows_of

from gradclip_cli.render.html.norm import picture

NAN, INF = math.nan, math.inf


def test_a_long_log_is_pooled_and_says_so(tmp_path: Path) -> None:
    """Of 10,000 steps, the line has 1,500 points at most, with the highest and a mark for each that is not finite."""
    norms = np.exp(np.random.default_rng(1).normal(0, 0.2, 10_000))
    norms[[17, 4000, 4001, 9999]] = 40.0, NAN, INF, 30.0
    found = drawn(picture(log_report(tmp_path / "log.csv", norms.tolist())))
    (columns,) = rows_of(found.linked[0], "until")
    assert len(columns["at"]) <= 1500
    assert {17: 40.0, 9999: 30.0}.items() <= dict(zip(columns["at"], columns["norm"], strict=True)).items()
    bad = [row["where"] for row in rows_of(found.linked[0], "kind") if row["kind"] == "not finite"]
    assert bad == ["2 of 3997-4003, such as 4000"]
    assert "Each point is the largest norm of 7 steps." in found.linked[0]["title"]["subtitle"]
    assert found.tables[0].caption == "Norms of steps, the largest of every 100"
    assert len(json.dumps([found.linked, found.params])) < 130_000


def test_another_run_is_matched_by_its_steps(tmp_path: Path) -> None:
    """The norms of another run are a line of their own, and stand beside those of the same steps."""
    other = log_of(tmp_path / "other.csv", [5.0, 6.0, 7.0], range(2, 5))
    found = drawn(picture(log_report(tmp_path / "log.csv", [1.0, 2.0, 3.0, 4.0], other)))
    (mine,) = rows_of(found.linked[0], "until")
    assert mine["other"] == [None, None, 5.0, 6.0]
    assert {"at": [2, 3, 4], "norm": [5.0, 6.0, 7.0]} in rows_of(found.linked[0], "norm")
    assert "other.csv" in json.dumps(found.linked)
    assert found.tables[0].heads == ("step", "norm", "other.csv", "note")
    assert [row[2] for row in found.tables[0].rows] == ["-", "-", "5", "6"]


def test_an_adaptive_rule_is_a_line_of_its_own(tmp_path: Path) -> None:
    """The thresholds that an adaptive rule sets at each step are drawn, not its last one as a line across."""
    found = drawn(picture(log_report(tmp_path / "log.csv", SPIKES, rule="autoclip:50")))
    (columns,) = rows_of(found.linked[0], "chosen")
    expected = [float(f"{np.percentile(SPIKES[: k + 1], 50):.5g}") for k in range(len(SPIKES))]
    assert columns["chosen"] == expected


def test_marks_turn_where_the_slider_clips(tmp_path: Path) -> None:
    """A point is above the threshold at just those positions of the slider whose threshold is below its norm."""
    found = drawn(picture(log_report(tmp_path / "log.csv", SPIKES)))
    thresholds = next(one["value"] for one in found.params if one["name"] == "thresholds")
    (columns,) = rows_of(found.linked[0], "until")
    assert columns["until"][20] == sum(at < 14.0 for at in thresholds)
    assert columns["until"][30] == sum(at < 9.0 for at in thresholds)
