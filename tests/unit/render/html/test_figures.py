"""Each picture is a file of its own."""

import pytest

from gradclip_cli.render.html import figures as made
from gradclip_cli.render.html.figures import figures, readable
from gradclip_cli.reports.run import RunReport
from unit.render.html.drawn_reports import made_pictures
from unit.render.html.made import run_of


def test_texts_of_data_are_printable() -> None:
    """What does not print is spelled out where it is data, and nowhere else."""
    view = {"data": {"values": [{"row": "\u202ea", "c": [1, 2]}]}, "mark": {"text": "a\nb"}}
    assert readable(view) == {"data": {"values": [{"row": "\\u202ea", "c": [1, 2]}]}, "mark": {"text": "a\nb"}}


def test_every_picture_is_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names are text of an SVG, and the same report gives the same bytes."""
    pytest.importorskip("vl_convert")
    monkeypatch.setattr(made, "pictures", lambda report: made_pictures(("编码器", "<b>")))
    report: RunReport = run_of(["a"], [[1.0, 2.0]])
    found = figures(report, "svg")
    assert [*found] == ["norm", "map"]
    assert ">编码器</text>" in found["map"].decode()
    assert ">&lt;b&gt;</text>" in found["map"].decode()
    assert found == figures(report, "svg")
