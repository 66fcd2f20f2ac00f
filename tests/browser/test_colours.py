"""A page can be read by day and by night."""

import pytest

from browser.conftest import Open
from browser.readable import FAINT

GROUND = "getComputedStyle(document.body).backgroundColor + getComputedStyle(document.documentElement).backgroundColor"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", ["exploding", "two", "log", "one-dump", "weights", "hostile"])
def test_texts_stand_out(name: str, dark: bool, opened: Open) -> None:
    """Each text, drawn or not, has a contrast of at least 4.5 with what is behind it."""
    one = opened(name, dark=dark)
    one.page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
    assert one.page.evaluate(FAINT) == []


def test_a_page_follows_the_system(opened: Open) -> None:
    """Where a person prefers dark pages, the page is dark; it changes with the system while it is open."""
    light, dark = opened("exploding"), opened("exploding", dark=True)
    assert light.page.evaluate(GROUND) != dark.page.evaluate(GROUND)
    light.page.emulate_media(color_scheme="dark")
    light.until(lambda: light.page.evaluate(GROUND) == dark.page.evaluate(GROUND))
    light.until(lambda: light.page.evaluate(FAINT) == [])
