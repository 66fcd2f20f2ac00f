"""How large pages are, and how soon they are drawn."""

from collections.abc import Callable

import pytest
from support.made_runs import SHOWN

from browser.conftest import Open

MOST = {"wide": 2_000_000}
"""The most bytes of a page; 1.4 MB where nothing else is said."""


@pytest.mark.parametrize("name", [*SHOWN, "wide"])
def test_a_page_is_small(name: str, opened: Open, record_property: Callable[[str, object], None]) -> None:
    """A page of 300 × 150 has at most 1.4 MB, with weights, too, of 5,000 × 1,000 at most 2 MB; its time is printed, not judged."""
    one = opened(name)
    size = one.path.stat().st_size
    record_property("page", (name, size, one.milliseconds))
    assert size <= MOST.get(name, 1_400_000)
