"""Checks are found by name, and left out by name."""

from pathlib import Path

import pytest
from support.findings import seen, series

from gradclip_cli.checks import NAMES, parse_names
from gradclip_cli.checks.registry import CHECKS
from gradclip_cli.errors import UsageError


def test_rules_are_found_by_name() -> None:
    """The names that the command line knows are those of the registry; a nearly right one is pointed out, and all are listed."""
    assert tuple(CHECKS) == NAMES
    with pytest.raises(
        UsageError, match=r"did you mean vanishing\? rules are nonfinite, exploding, .*unlike-baseline$"
    ):
        parse_names(["vanising"])


def test_ignored_rules_are_not_applied(tmp_path: Path) -> None:
    """What is ignored is not found, whatever the case of its name."""
    folder = series(tmp_path, [{"a.w": [0.0]}])
    assert seen(folder, ignore=["DEAD"]) == []
