"""What happens to the norm, as marks."""

import json
import math
from pathlib import Path

import pytest
from support.log_reports import SPIKES, drawn, log_report, rows_of
from support.made_runs import exploding
from support.run_reports import run_report

from gradclip_cli.render.html.norm import picture
from gradclip_cli.render.html.norm_marks import EXPLODING, IS_OVER, encoded
from gradclip_cli.render.html.picture import ZOOM

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(("norms", "kind"), [([NAN, NAN, INF], "not finite"), ([0.0, 0.0, 0.0], "zero")])
def test_where_nothing_can_be_drawn_marks_stand_at_the_edge(tmp_path: Path, norms: list[float], kind: str) -> None:
    """Norms that a logarithmic axis has no place for are marks; then there is no slider, but still the brush of other pictures."""
    found = drawn(picture(log_report(tmp_path / "log.csv", norms)))
    assert not found.params
    assert [row["at"] for row in rows_of(found.linked[0], "kind")] == [0, 1, 2]
    assert {row["kind"] for row in rows_of(found.linked[0], "kind")} == {kind}
    assert ZOOM in json.dumps(found.linked)


def test_explosions_are_marked_with_their_steps(tmp_path: Path) -> None:
    """Steps that explode by the rule of `stats` are marked, the highest with their numbers."""
    report = log_report(tmp_path / "log.csv", SPIKES)
    marks = rows_of(drawn(picture(report)).linked[0], "kind")
    assert report.stats.exploding is not None
    assert report.stats.exploding.steps == [(20, 20), (30, 30)]
    assert [(row["at"], row["kind"], row.get("text")) for row in marks] == [
        (20, "explodes", "20"),
        (30, "explodes", "30"),
    ]


def test_what_rose_first_is_marked(tmp_path: Path) -> None:
    """A line stands at the step of what `stats` says rose first, with its name."""
    report = run_report(str(exploding().write(tmp_path / "run")))
    first = report.stats.first
    assert first is not None
    assert first.names[0] == "blocks.5"
    (mark,) = [row for row in rows_of(drawn(picture(report)).linked[0], "text") if "kind" not in row]
    assert mark["at"] == first.step
    assert mark["text"].startswith(f"rose first: {first.names[0]}")


def test_steps_stand_where_there_is_room(tmp_path: Path) -> None:
    """The step of an explosion stands above a top, and on the left of its ring where norms go on rising until they are not finite."""
    norms = [*([1.0] * 40), 90.0, *([1.0] * 40), 50.0, 100.0, 200.0, 400.0, NAN]
    marks = rows_of(drawn(picture(log_report(tmp_path / "log.csv", norms))).linked[0], "side")
    assert [(row["text"], row["side"]) for row in marks] == [("40", 0), ("84", -1)]


def test_each_kind_has_a_colour_and_a_shape() -> None:
    """The legend tells kinds apart by colour and by shape, in one order."""
    channels = encoded([EXPLODING, IS_OVER])
    assert (
        channels["color"]["scale"]["domain"]
        == channels["shape"]["scale"]["domain"]
        == ["explodes", "above the threshold"]
    )
    assert len(set(channels["shape"]["scale"]["range"])) == 2
