"""Checks are found by name, and left out by name."""

from pathlib import Path

import pytest
from support.findings import seen, series

from gradclip_cli import checks
from gradclip_cli.errors import UsageError


def test_rules_are_found_by_name() -> None:
    """Every rule has its module; a name that is nearly right is pointed out, and all are listed in case it is not meant."""
    assert all(callable(checks.by_name(name)) for name in checks.CHECKS)
    with pytest.raises(UsageError, match=r"did you mean vanishing\? rules are nonfinite, exploding, .*spread$"):
        checks.parse_names(["vanising"])


def test_ignored_rules_are_not_applied(tmp_path: Path) -> None:
    """What is ignored is not found, whatever the case of its name."""
    folder = series(tmp_path, [{"a.w": [0.0]}])
    assert seen(folder, ignore=["DEAD"]) == []
