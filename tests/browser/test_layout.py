"""A page fits its window, and nothing on it covers anything else."""

from itertools import combinations

import pytest

from browser.conftest import Open
from browser.opened import Mark, Opened
from browser.readable import COVERED

WIDTHS = (390, 800, 1280, 2000)
RUNS = ("exploding", "vanishing", "log", "two", "one-dump", "all-nan", "planted", "weights", "hostile", "long-log")

ROOM = """() => {
  const box = (document.querySelector('#charts') || document.body).getBoundingClientRect();
  return [box.left, box.right];
}"""


def texts(one: Opened) -> list[Mark]:
    """Return what is written in pictures, but for single signs, which mark a point."""
    return [mark for mark in one.marks("text") if mark.shown and len(mark.text) > 1]


@pytest.mark.parametrize("name", RUNS)
def test_a_page_fits_its_window(name: str, opened: Open) -> None:
    """A window of 390 to 2,000 pixels scrolls down only; no text of a picture lies on another or is cut off, no part covers another."""
    one = opened(name, width=WIDTHS[-1])
    for width in (*WIDTHS, WIDTHS[0]):
        one.resize(width)
        root = "document.documentElement"
        assert one.page.evaluate(f"{root}.scrollWidth - {root}.clientWidth") <= 0, width
        assert one.page.evaluate(COVERED) == [], width
        left, right = one.page.evaluate(ROOM)
        written = texts(one)
        outside = [(mark.text, mark.x1, mark.x2) for mark in written if mark.x1 < left - 1 or mark.x2 > right + 1]
        covered = [(a.text, b.text, a.path) for a, b in combinations(written, 2) if a.overlaps(b, slack=2)]
        assert (width, outside, covered) == (width, [], [])


def test_pictures_take_the_room_that_there_is(opened: Open) -> None:
    """Pictures are as wide as the window lets them be: on a telephone, on a screen, and when the window changes."""
    one, found = opened("exploding", width=WIDTHS[0]), []
    for width in (*WIDTHS, WIDTHS[0]):
        one.resize(width)
        found.append(max(mark.x2 for mark in one.marks("text") if mark.shown) / width)
    assert min(found) > 0.8
    assert max(found) <= 1
    assert found[-1] == pytest.approx(found[0], abs=0.01)
