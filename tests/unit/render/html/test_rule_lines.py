"""Thresholds of rules as lines: which there are, and where their names stand."""

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
from support.log_reports import log_report

from gradclip_cli.render.html.norm_axis import HEIGHT, NormAxis
from gradclip_cli.render.html.rule_lines import RuleLine, drawn_rules, rule_lines


def test_lines_are_those_of_the_rules_and_of_what_is_tried(tmp_path: Path) -> None:
    """Each rule's threshold for the global norm is a line, each that is tried, too; equal ones share a line."""
    norms = np.linspace(1, 9, 30)
    stats = log_report(tmp_path / "log.csv", norms.tolist(), tries=["clip-by-global-norm:2.5", "none"]).stats
    lines = {line.name: line.threshold for line in rule_lines(stats)}
    assert lines["mean, median"] == 5.0
    assert lines["percentile:90"] == np.percentile(norms, 90)
    assert lines["try"] == 2.5


def test_names_do_not_cover_each_other() -> None:
    """Names of thresholds that are close together stand 12 pixels apart, within the axis, in the order of the thresholds."""
    axis = NormAxis(0.0, 2.0)
    held = [RuleLine(10**at, "rule") for at in (0.0, 0.001, 1.0, 1.01, 1.02, 1.99, 2.0)]
    text = drawn_rules([*held, RuleLine(1e9, "far")], axis)[-1]
    spots = [HEIGHT * math.log10(row["spot"]) / 2 for row in text["data"]["values"]]
    assert len(spots) == len(held)
    assert all(high - low > 11.9 for low, high in pairwise(spots))
    assert spots[0] >= -0.01
    assert spots[-1] <= HEIGHT + 0.01
    assert drawn_rules([RuleLine(1e9, "far")], axis) == []
