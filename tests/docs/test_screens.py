"""Every screen is shown on terminals that are narrower than any it is made for."""

import pytest
from support.matrices import heavy

from docs.places import README
from docs.screens import PAGES, WIDTHS, shown

pytestmark = pytest.mark.skipif(not README.is_file(), reason="installed without its README")

COMMANDS = [command for _, commands in PAGES.values() for command in commands]
TO_COPY = ("Next: ", "      ", " torch.")


@heavy  # `make docs` runs it, too
@pytest.mark.parametrize("command", COMMANDS)
def test_a_narrow_terminal_gets_the_narrowest_screen(command: str) -> None:
    """At 30 columns nothing fails, and no line but a command to copy is wider than at 60, where a screen is laid out."""
    lines = [line for line in shown(command, 30).splitlines() if not line.startswith(TO_COPY)]
    assert lines
    assert max(map(len, lines)) <= min(WIDTHS)
