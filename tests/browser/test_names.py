"""Names and titles are text, whatever they look like."""

from support.made_runs import HOSTILE

from browser.conftest import Open
from gradclip_cli.inputs.naming import Naming
from gradclip_cli.text import printable

COUNT = "selector => document.querySelectorAll(selector).length"


def test_no_name_becomes_an_element(opened: Open) -> None:
    """Names that look like scripts and images make no element, open no dialog, and run nothing."""
    plain, hostile = opened("one-tensor"), opened("hostile")
    for selector in ("script", "img", "iframe", "[onerror]"):
        assert plain.page.evaluate(COUNT, selector) == hostile.page.evaluate(COUNT, selector)


def test_every_name_can_be_read(opened: Open) -> None:
    """Each layer's name stands on the page as it is, but for signs that turn the line around; a long one by its beginning."""
    one = opened("hostile")
    one.page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
    shown, words = [printable(place.layer)[:20] for place in Naming().places(HOSTILE)], one.words
    assert [name for name in shown if name not in words] == []
