"""Pictures become one spec whose widths follow the page."""

from typing import Any

import pytest

from gradclip_cli.render.html.layout import Width, resized, spec_of
from unit.render.html.drawn_reports import made_pictures


def test_pictures_are_rows_of_one_spec() -> None:
    """Views of one picture stand side by side, and the variables of all stand at the top."""
    spec = spec_of([*made_pictures().values()])
    assert [len(row.get("hconcat", [row])) for row in spec["vconcat"]] == [2, 1]
    assert [one["name"] for one in spec["params"]] == ["threshold", "told"]


@pytest.mark.parametrize(("room", "width"), [(800, 640), (1000, 840), (640, 480), (366, 206), (100, 60)])
def test_a_view_has_what_its_axes_leave(room: int, width: int) -> None:
    """Axes and legends take what they take of 800 pixels; a view is never narrower than 60."""
    assert resized({"width": 640}, room) == {"width": width}


def test_views_side_by_side_share_what_is_left() -> None:
    """On a wide page they keep their shares, and on a narrow one they are stacked, each as wide as it."""
    pair: dict[str, Any] = {"hconcat": [{"width": 500}, {"width": 100}]}
    assert resized(pair, 800) == pair
    assert [one["width"] for one in resized(pair, 1400)["hconcat"]] == [1000, 200]
    assert resized(pair, 366) == {"vconcat": [{"width": 266}, {"width": 266}]}


def test_views_within_views_are_found() -> None:
    """A row may hold columns; what has no width in pixels is left as it is."""
    nested = {"hconcat": [{"vconcat": [{"width": 300}, {"width": {"step": 9}}]}, {"width": 300}]}
    found = resized(nested, 1000)
    assert found["hconcat"][0]["vconcat"] == [{"width": 400}, {"width": {"step": 9}}]


def test_the_expression_of_a_width_is_its_value() -> None:
    """What the browser computes is what is drawn without one."""
    width = Width(0.5, -20.0, 100.0)
    for room in (300, 800, 2000):
        text = width.expression.replace("round", "int").replace("room < 640 ? ", "")
        narrow, wide = text.removeprefix("max(60, int(").removesuffix("))").split(" : ")
        assert max(60, round(eval(narrow if room < 640 else wide, {"room": room}))) == width.at(room)
