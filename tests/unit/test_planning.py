"""What a user asked for becomes a part of a plan, or wrong usage with its reason."""

import pytest

from gradclip_cli.errors import UsageError
from gradclip_cli.planning import naming


@pytest.mark.parametrize(
    ("regex", "depth", "reason"),
    [
        (None, 0, "at least 1"),
        (None, -3, "at least 1"),
        ("(", None, "no regular expression"),
        ("(?P<layer>x)", None, r"needs the groups"),
        ("(?P<layer>x)(?P<param>y)", 2, "exclude each other"),
    ],
)
def test_rules_of_naming_that_cannot_be(regex: str | None, depth: int | None, reason: str) -> None:
    """A depth below 1, a broken regex, one without its groups, and both together are wrong usage."""
    with pytest.raises(UsageError, match=reason):
        naming(regex, depth)


def test_rules_of_naming() -> None:
    """Depth and regex arrive where names are cut."""
    assert naming(None, 3).depth == 3
    regex = naming("(?P<layer>.)(?P<param>.)", None).regex
    assert regex is not None
    assert regex.pattern == "(?P<layer>.)(?P<param>.)"
