"""A page says what it has to say without scripts, too."""

from browser.conftest import Open


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
