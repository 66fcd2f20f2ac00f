"""The slider of the threshold: its figures are those of `stats --try`."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.log_reports import log_report

import gradclip_cli
from gradclip_cli.render.html.norm_axis import NormAxis
from gradclip_cli.render.html.slider import POSITION, SLIDER, TOLD, Slider, slider
from gradclip_cli.reports.stats import StatsReport
from gradclip_cli.text import percent

NORMS = [*np.exp(np.random.default_rng(2).normal(0, 0.6, 60)).tolist(), float("nan"), 0.0, 30.0]


def slider_of(stats: StatsReport) -> Slider:
    """The slider of a report whose norms are those of `NORMS`."""
    found = slider(stats, NormAxis.of([0.2, 40.0], []))
    assert found is not None
    return found


@pytest.mark.parametrize("options", [{}, {"epsilon": 0.3}, {"skip_steps": 5}])
def test_each_position_says_what_stats_says_of_its_threshold(tmp_path: Path, options: dict[str, Any]) -> None:
    """Clip rate, mean factor, squared norm kept and steps of a position are those that the what-if has for its threshold."""
    path = tmp_path / "log.csv"
    moves = slider_of(log_report(path, NORMS, **options).stats)
    chosen = [moves.positions[k] for k in range(0, len(moves.positions), 17)] + [moves.at_start]
    tries = [f"clip-by-global-norm:{one.effect.threshold!r}" for one in chosen]
    tried = gradclip_cli.stats(str(path), tries=tries, **options).tries or []
    for one, row in zip(chosen, tried, strict=True):
        assert one.effect.clipped / moves.counted == row.clip_rate
        assert one.effect.mean_factor == pytest.approx(row.mean_factor, rel=1e-12)
        assert one.effect.kept == pytest.approx(1 - (row.lost_energy or 0.0), rel=1e-9, abs=1e-15)
        assert f"({percent(row.clip_rate)})" in one.told
        first, last = (row.steps or [(0, 0)])[0]
        named = str(first) if first == last else f"{first}-{last}"
        assert not one.steps or one.steps.split(", ")[0].split(" and ")[0] == named


def test_the_advised_threshold_is_a_position_and_the_start(tmp_path: Path) -> None:
    """The slider starts at the advised threshold itself, and its sentence is the figures of the advice."""
    stats = log_report(tmp_path / "log.csv", NORMS).stats
    moves, advice = slider_of(stats), stats.advice
    assert advice is not None
    assert advice.threshold == moves.at_start.effect.threshold
    assert f"the advised threshold, {advice.rule}" in moves.at_start.told
    named = {one["name"]: one for one in moves.params()}
    assert named[TOLD]["value"] == moves.at_start.told
    control = named[SLIDER]["bind"]
    assert round((named[SLIDER]["value"] - control["min"]) / control["step"]) == moves.start
    assert round((control["max"] - control["min"]) / control["step"]) == len(moves.positions) - 1
    assert moves.fixed()[0] == {"name": POSITION, "value": moves.start}


def test_the_slider_says_what_it_is_for(tmp_path: Path) -> None:
    """Its label names the strategy, its description is the sentence; it claims no advice that is for another strategy."""
    moves = slider_of(log_report(tmp_path / "log.csv", NORMS).stats)
    control = next(one for one in moves.params() if one["name"] == SLIDER)["bind"]
    assert control["name"] == "threshold for clip-by-global-norm "
    assert (control["aria-describedby"], control["aria-label"][:5]) == (TOLD, "log10")
    np.savez(tmp_path / "step1.npz", w=np.ones(4))
    np.savez(tmp_path / "step2.npz", w=np.full(4, 3.0))
    stats = gradclip_cli.stats(str(tmp_path), strategy="clip-by-value")
    assert "the advised threshold" not in slider_of(stats).at_start.told
    assert slider_of(stats).label.endswith(" (the advice above is for clip-elementwise-absolute-value)")


def test_positions_grow_and_are_readable(tmp_path: Path) -> None:
    """Thresholds grow from position to position, and all but the start have few digits."""
    moves = slider_of(log_report(tmp_path / "log.csv", NORMS).stats)
    assert 200 <= len(moves.thresholds) <= 300
    assert all(np.diff(moves.thresholds) > 0)
    others = [one for k, one in enumerate(moves.thresholds) if k != moves.start]
    assert all(float(f"{one:.3g}") == one for one in others)


def test_a_norm_is_clipped_by_the_positions_below_it(tmp_path: Path) -> None:
    """Marks turn exactly where the strategy clips: a norm equal to a threshold is not clipped by it."""
    moves = slider_of(log_report(tmp_path / "log.csv", NORMS).stats)
    at = moves.thresholds[40]
    assert moves.clipped_below(np.array([at, np.nextafter(at, 100), 0.0])) == [40, 41, 0]


def test_many_steps_are_shortened(tmp_path: Path) -> None:
    """A list of steps ends in how many more there are, and all of them add up to those that are clipped."""
    norms = [1.0, 5.0] * 50
    moves = slider_of(log_report(tmp_path / "log.csv", norms).stats)
    one = next(one for one in moves.positions if 1 < one.effect.threshold < 5)
    assert one.steps == "1, 3, 5, 7, 9, 11, 13, 15 and 42 more"


def test_of_another_norm_no_square_is_told(tmp_path: Path) -> None:
    """Where the norm is not of type 2, the squared norm is not known, and the sentence is silent on it."""
    for k in range(3):
        np.savez(tmp_path / f"step_{k}.npz", w=np.array([1.0 + k, 2.0]))
    told = slider_of(gradclip_cli.stats(str(tmp_path), norm_type=1.0)).at_start.told
    assert "mean factor" in told
    assert "squared" not in told


def test_dumps_without_steps_are_named(tmp_path: Path) -> None:
    """Where dumps have no steps, the sentence has their names."""
    for name, norm in {"run-a": 1.0, "run-b": 3.0, "run-c": 9.0, "run-d": 2.0}.items():
        np.savez(tmp_path / f"{name}.npz", w=np.array([norm]), b=np.zeros(2))
    moves = slider_of(gradclip_cli.stats(str(tmp_path)))
    one = next(one for one in moves.positions if 2 < one.effect.threshold < 3)
    assert one.told.startswith("clip-by-global-norm at 2")
    assert "2 of 4 dumps (50 %): run-b.npz to run-c.npz;" in one.told


def test_without_a_norm_above_zero_there_is_no_slider(tmp_path: Path) -> None:
    """Where every norm is 0, there is no threshold to start at."""
    stats = log_report(tmp_path / "log.csv", [0.0, 0.0]).stats
    assert slider(stats, NormAxis(-1.0, 1.0)) is None


def test_steps_captured_for_what_they_are_like_do_not_count(tmp_path: Path) -> None:
    """What was captured since it stood out is no sample, as in the what-if of `stats`."""
    stats = log_report(tmp_path / "log.csv", [1.0, 2.0, 30.0, 3.0]).stats
    dumps = [dump._replace(stood_out=dump.norm == 30.0) for dump in stats.dumps]
    moves = slider_of(stats._replace(dumps=dumps))
    assert moves.counted == 3
    assert next(one.effect.clipped for one in moves.positions if 3 < one.effect.threshold < 30) == 0
