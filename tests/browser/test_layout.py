"""A page fits its window, and nothing on it covers anything else."""

from itertools import combinations

import pytest

from browser.conftest import Open
from browser.opened import Mark
from browser.readable import COVERED

WIDTHS = (390, 800, 1280, 2000)
RUNS = ("exploding", "vanishing", "log", "two", "one-dump", "all-nan", "planted", "hostile", "long-log")


def texts(marks: list[Mark]) -> list[Mark]:
    """Return what is written in pictures, but for single signs, which mark a point."""
    return [mark for mark in marks if mark.kind == "text" and mark.shown and len(mark.text) > 1]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", RUNS)
def test_a_page_fits_its_window(name: str, width: int, opened: Open) -> None:
    """A window of 390 to 2,000 pixels scrolls down only; no text of a picture lies on another or outside, no part covers another."""
    one = opened(name, width=width)
    root = "document.documentElement"
    assert one.page.evaluate(f"{root}.scrollWidth - {root}.clientWidth") <= 0
    assert one.page.evaluate(COVERED) == []
    written = texts(one.marks)
    assert [(mark.text, mark.x1, mark.x2) for mark in written if mark.x1 < -1 or mark.x2 > width + 1] == []
    assert [(a.text, b.text, a.path) for a, b in combinations(written, 2) if a.overlaps(b, slack=2)] == []


def test_a_page_follows_its_window(opened: Open) -> None:
    """A window that is made narrower or wider still scrolls down only, and its pictures take the room that there is."""
    one = opened("exploding", width=1280)
    widths = []
    for width in (*WIDTHS, 390):
        one.page.set_viewport_size({"width": width, "height": 900})
        one.page.wait_for_timeout(300)
        assert one.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
        widths.append(max(mark.x2 for mark in one.marks if mark.shown))
    assert widths[0] < widths[1] <= widths[2]
    assert widths[-1] == pytest.approx(widths[0], abs=2)
