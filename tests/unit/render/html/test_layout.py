"""Pictures become one spec whose widths follow the page."""

import re
from typing import Any

import pytest

from gradclip_cli.render.html.layout import APART, Width, adapted, fitted, spec_of
from unit.render.html.drawn_reports import made_pictures


def test_pictures_are_rows_of_one_spec() -> None:
    """Views of one picture stand side by side, and the variables of all stand at the top."""
    spec = spec_of([*made_pictures().values()])
    assert [len(row.get("hconcat", [row])) for row in spec["vconcat"]] == [2, 1]
    assert [one["name"] for one in spec["params"]] == ["threshold", "told"]


def bars(width: int, label: str = "", legend: str | None = None) -> dict[str, Any]:
    """Return a view of bars that have a label on the left, and a legend on the right if it has a label, too."""
    y = {"field": "row", "type": "nominal", "axis": {"labelLimit": 500} if label else None}
    hue = {"color": {"field": "hue", "type": "nominal", "legend": {"labelLimit": 500}}} if legend else {}
    values = [{"row": label, "hue": legend, "x": 1}]
    x = {"field": "x", "type": "quantitative", "axis": None}
    return {"width": width, "data": {"values": values}, "mark": "bar", "encoding": {"x": x, "y": y, **hue}}


def of_rows(*views: Any) -> dict[str, Any]:
    return {"vconcat": [*views], "resolve": APART}


def widths(spec: dict[str, Any], room: int) -> list[int]:
    """Return the widths that the variables of a Vega spec have on a page of a width."""
    sides = re.compile(r"max\(60, floor\(room < 640 \? (.*) : (.*)\)\)")
    signals = fitted(spec, room)["signals"]
    found = [match for signal in signals if (match := sides.fullmatch(signal.get("update", "")))]
    return [max(60, int(eval(match[1 if room < 640 else 2], {"room": room - 4}))) for match in found]


def test_views_have_what_words_leave() -> None:
    """What is right of one view is no loss of another; what is left of one is, since all begin below each other."""
    pytest.importorskip("vl_convert")
    plain, labelled, explained = bars(600), bars(600, label="a" * 9), bars(600, legend="b" * 20)
    assert widths(of_rows(plain, plain), 800) == pytest.approx([796, 796], abs=4)
    left = widths(of_rows(plain, labelled), 800)
    assert left[0] == left[1] < 780
    right = widths(of_rows(plain, explained), 800)
    assert right[0] > right[1] + 50


def test_views_side_by_side_share_what_is_left() -> None:
    """On a wide page they keep their shares, and on a narrow one they are stacked, each as wide as it."""
    pytest.importorskip("vl_convert")
    pair = of_rows({"hconcat": [bars(500), bars(100)]})
    first, second = widths(pair, 1400)
    assert first == pytest.approx(5 * second, abs=5)
    assert first + second == pytest.approx(1396 - 18, abs=6)
    assert widths(pair, 366) == pytest.approx([362, 362], abs=4)
    (row,) = adapted(pair)["marks"]
    assert row["layout"]["columns"] == {"signal": "room < 640 ? 1 : 2"}


def test_legends_stand_below_on_a_narrow_page() -> None:
    """There a view is as wide as the page lets it, whatever its legend says."""
    pytest.importorskip("vl_convert")
    assert widths(of_rows(bars(600, legend="b" * 20)), 366) == pytest.approx([362], abs=4)


def test_a_width_follows_the_page() -> None:
    """A view is never narrower than 60 pixels, and takes a share of what words leave beside it."""
    assert Width(0.5, 20.0, 100.0).expression == "max(60, floor(room < 640 ? room - 100 : 0.5 * (room - 20)))"
