"""A page asks for nothing and says nothing, whatever run it shows."""

import pytest
from support.made_runs import SHOWN

from browser.conftest import Open


@pytest.mark.parametrize("name", SHOWN)
def test_a_page_opens_in_silence(name: str, opened: Open) -> None:
    """A page is drawn without a request, an error or a message on the console."""
    assert opened(name).page.title()
