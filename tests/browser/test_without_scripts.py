"""A page says what it has to say without scripts, too."""

import pytest

from browser.conftest import Open

HANDLERS = """() => [...document.querySelectorAll('*')].flatMap(one => one.getAttributeNames()).filter(name => name.startsWith('on'))"""


def test_tables_are_there_without_scripts(opened: Open) -> None:
    """Where scripts are off, the answer and every table with the numbers of the pictures can be read."""
    with_scripts, without = opened("exploding"), opened("exploding", scripts=False)
    assert without.page.locator("table").count() == with_scripts.page.locator("table").count() > 1
    folded = without.page.locator("details:not([open]) > summary")
    while folded.count():
        folded.first.click()
    for table in without.page.locator("table").all():
        assert table.is_visible()
        assert table.locator("tr").count() > 1
        assert table.locator("caption").inner_text()


def test_what_needs_scripts_is_not_shown_without(opened: Open) -> None:
    """Where scripts are off there is no slider that moves nothing."""
    assert not opened("exploding", scripts=False).page.locator("input[type=range]").is_visible()


def test_pictures_are_told_in_words(opened: Open) -> None:
    """What the pictures show stands in their place, for those who do not see them."""
    for picture in opened("exploding").page.locator("[role=img]").all():
        assert len(picture.get_attribute("aria-label") or "") > 20


@pytest.mark.parametrize("name", ["exploding", "two", "log", "weights", "hostile", "one-dump"])
def test_a_static_page_has_pictures_and_no_script(name: str, opened: Open) -> None:
    """A static page holds no script and no handler of events; its pictures are drawings whose words are text."""
    one = opened(name, static=True)
    assert "<script" not in one.path.read_text(encoding="utf-8").lower()
    assert one.page.evaluate(HANDLERS) == []
    assert one.page.locator("svg:visible").count() >= 1
    assert one.page.locator("svg:visible text").count() > 10
    assert one.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0


def test_a_static_page_is_the_same_where_scripts_are_forbidden(opened: Open) -> None:
    """A server that forbids all scripts, styles and fonts from elsewhere shows the same static page, and has nothing to say."""
    one = opened("exploding", static=True)
    shown = one.page.screenshot()
    policy = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"}
    body = one.path.read_text(encoding="utf-8")
    one.page.route(
        "http://localhost/", lambda route: route.fulfill(body=body, content_type="text/html", headers=policy)
    )
    one.page.goto("http://localhost/")
    one.asked.remove("http://localhost/")
    assert one.page.screenshot() == shown
