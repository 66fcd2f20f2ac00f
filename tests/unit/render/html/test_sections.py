"""What stands around the pictures is what `stats` and `check` say."""

from pathlib import Path

import numpy as np
from support.made_runs import SHOWN, all_nan
from support.run_reports import run_report

from gradclip_cli._version import __version__
from gradclip_cli.render.html import sections


def test_sections_of_two_runs(tmp_path: Path) -> None:
    """Findings stand by rule, what is tried has a table, and both runs are shown."""
    shown = SHOWN["two"](tmp_path)
    report = run_report(str(shown.inputs), "a & b", str(shown.against), ("clip-by-global-norm:1",))
    head = sections.head(report)
    assert "<h1>a &amp; b</h1>" in head
    assert "<dt>dumps</dt><dd>80</dd>" in head
    assert "Held against" in head
    assert "<th scope=row>nonfinite</th><td>blocks.5</td>" in sections.findings(report)
    assert "<caption>What if</caption>" in sections.thresholds(report)
    assert sections.screens(report).count("<pre ") == 2
    assert "held against " in sections.inputs(report)


def test_what_is_left_out_is_an_input_too(tmp_path: Path) -> None:
    """Tensors that are no gradients stand with the inputs; the whole of a log has no name, and shares have one form."""
    run = {"w": np.ones(3), "ids": np.arange(4)}
    for step in range(3):
        np.savez(tmp_path / f"step{step}.npz", **run)  # type: ignore[arg-type]  # allow_pickle is none of these
    report = run_report(str(tmp_path))
    assert "left out: 1 tensor of int64" in sections.inputs(report)
    assert "%</td>" not in sections.thresholds(report).replace(" %</td>", "")
    log = run_report(str(SHOWN["log"](tmp_path / "logs").inputs))
    assert "whole dump" not in sections.findings(log)


def test_growth_by_block_is_explained(tmp_path: Path) -> None:
    """Where `stats` tells growth of blocks, the page says why `check` has other figures."""
    assert "Growth is told here of blocks" in sections.screens(run_report(str(SHOWN["exploding"](tmp_path).inputs)))


def test_nothing_finite_has_facts_too(tmp_path: Path) -> None:
    """There is no median of nothing."""
    report = run_report(str(all_nan().write(tmp_path / "run")))
    assert "<dt>finite norms</dt><dd>none</dd>" in sections.head(report)


def test_the_foot_names_licences_only_of_what_is_there() -> None:
    """A page without scripts holds nothing of Vega."""
    assert __version__ in sections.foot(licences=False)
    assert "University of Washington" in sections.foot(licences=True)
    assert "University of Washington" not in sections.foot(licences=False)
