"""What a person moves, draws, clicks or points at in one picture changes the others."""

from typing import Any

import numpy as np
import pytest
from support.made_runs import exploding

from browser.conftest import Open
from browser.opened import Mark, Opened
from gradclip_cli.render.html.theme import OVER

SLIDE = """value => {
  const slider = document.querySelector('input[type=range]');
  slider.value = value;
  slider.dispatchEvent(new Event('input', {bubbles: true}));
}"""

RUN = exploding()


def norms(one: Opened) -> dict[int, Mark]:
    """Return the points of the norm of the whole by step."""
    return {mark.datum["at"]: mark for mark in one.marks("symbol") if "after" in mark.datum}


def cells(one: Opened) -> dict[tuple[str, str], Mark]:
    """Return the cells of the map by layer and step."""
    return {(mark.datum["layer"], mark.datum["steps"]): mark for mark in one.marks("rect") if "times" in mark.datum}


def lines(one: Opened) -> set[str]:
    """Return the rows that are drawn as lines below the map."""
    return {mark.datum["name"] for mark in one.marks("line") if "row" in mark.datum}


def domain(mark: Mark, other: Mark) -> float:
    """Return the pixels of one step, from two points of which the second stands one step after the first."""
    return other.middle[0] - mark.middle[0]


@pytest.mark.parametrize("threshold", [2.0, 30.0, 1000.0])
def test_the_slider_moves_marks_and_the_sentence(threshold: float, opened: Open) -> None:
    """A threshold marks the norms above it, and the sentence counts them; the line of the threshold stands at its norm."""
    one = opened("exploding")
    one.page.evaluate(SLIDE, np.log10(threshold))
    one.until(lambda: one.signal("limit") == pytest.approx(threshold, rel=0.05))
    totals = RUN.totals[np.isfinite(RUN.totals)]
    clipped = int((totals > one.signal("limit")).sum())
    one.until(lambda: sum(mark.fill == OVER for mark in norms(one).values()) == clipped)
    said = str(one.page.inner_text("#told"))
    assert f"clips {clipped} of {len(totals)} " in said
    assert f"({clipped / len(totals):.0%})".replace("%", " %") in said


def test_a_brush_zooms_the_map_and_a_double_click_ends_it(opened: Open) -> None:
    """What is drawn across steps of the norm is what the map and the line below it show then."""
    one = opened("exploding")
    points, before = norms(one), cells(one)
    layer = RUN.names[5].removesuffix(".weight")
    was = domain(before[layer, "50"], before[layer, "51"])
    y = (min(mark.y1 for mark in points.values()) + max(mark.y2 for mark in points.values())) / 2
    one.drag((points[40].middle[0], y), (points[60].middle[0], y))
    one.until(lambda: domain(cells(one)[layer, "50"], cells(one)[layer, "51"]) > 3 * was)
    assert [round(step) for step in one.signal("zoom")["at"]] == [40, 60]
    assert domain(cells(one)[layer, "50"], cells(one)[layer, "51"]) == pytest.approx(was * 80 / 20, rel=0.05)
    one.point_at(points[50].middle[0], y)
    one.page.mouse.dblclick(points[50].middle[0], y - one.page.evaluate("scrollY"))
    one.until(lambda: domain(cells(one)[layer, "50"], cells(one)[layer, "51"]) == pytest.approx(was))


def test_a_click_draws_the_line_of_a_row(opened: Open) -> None:
    """A row of the map that is clicked is drawn as a line, until another one is."""
    one = opened("exploding")
    for column, step in ((3, "30"), (20, "60")):
        layer = RUN.names[column].removesuffix(".weight")
        one.click(cells(one)[layer, step])
        one.until(lambda layer=layer: lines(one) == {layer})  # type: ignore[misc]


def test_points_tell_their_step_and_norm(opened: Open) -> None:
    """Whoever points at a norm is told its step, and the norm with four digits or more."""
    one = opened("exploding")
    told = one.tip_on(norms(one)[30])
    assert "30" in told
    assert pytest.approx(RUN.totals[29], rel=1e-3) in figures(told)


def test_cells_tell_their_layer_step_and_norm(opened: Open) -> None:
    """Whoever points at a cell of the map is told its layer and step, and its norm with two digits or more."""
    one = opened("exploding")
    column = 5
    layer = RUN.names[column].removesuffix(".weight")
    told = one.tip_on(cells(one)[layer, "30"])
    assert {layer, "30"} <= set(told)
    assert pytest.approx(RUN.norms[29, column], rel=0.05) in figures(told)
    median = float(np.median(RUN.norms[:, column]))
    assert pytest.approx(median, rel=1e-3) in figures(told)


def figures(told: list[str]) -> list[Any]:
    """Return the numbers among texts."""
    return [float(text.replace(",", "")) for text in told if text.replace(",", "").replace(".", "", 1).isdigit()]
