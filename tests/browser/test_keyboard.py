"""A page needs no mouse."""

from browser.conftest import Open
from browser.opened import Opened


def to_slider(one: Opened) -> None:
    """Press Tab until the slider has the focus."""
    for _ in range(30):
        one.page.keyboard.press("Tab")
        if one.page.evaluate("document.activeElement.type === 'range'"):
            return
    raise AssertionError("thirty tabs do not reach the slider")


def test_arrows_move_the_threshold(opened: Open) -> None:
    """Tab reaches the slider, which shows that it has the focus; arrows move the threshold, and the sentence says so."""
    one = opened("exploding")
    to_slider(one)
    assert one.page.evaluate("document.activeElement.matches(':focus-visible')")
    before, said = one.signal("threshold"), one.words
    one.page.keyboard.press("ArrowRight")
    one.until(lambda: one.signal("threshold") > before)
    one.until(lambda: one.words != said)
    one.page.keyboard.press("ArrowLeft")
    one.until(lambda: one.signal("threshold") == before)


def test_every_part_can_be_opened_by_keys(opened: Open) -> None:
    """Whatever is folded can be reached and opened from the keyboard."""
    one = opened("exploding")
    folded = one.page.locator("details > summary")
    for number in range(folded.count()):
        folded.nth(number).focus()
        was = folded.nth(number).evaluate("summary => summary.parentElement.open")
        one.page.keyboard.press("Enter")
        assert folded.nth(number).evaluate("summary => summary.parentElement.open") != was
