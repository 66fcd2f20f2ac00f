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


def test_the_numbers_are_for_all_who_do_not_see_pictures(opened: Open) -> None:
    """Each picture has a text in its place for those who do not see it, and what is interactive has a name."""
    one = opened("exploding", scripts=False)
    for figure in one.page.locator("figure, [role=img]").all():
        assert figure.get_attribute("aria-label") or figure.locator("figcaption").count()
