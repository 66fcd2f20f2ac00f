"""The registry of output formats: each renders each report, and imports what it needs only."""

import sys

import pytest
from support.report_types import report_kinds

from gradclip_cli import render
from gradclip_cli.render.tables import TABLES
from unit.render.made import LS, REPORTS, rendered


def test_every_format_of_the_registry_can_be_written() -> None:
    """Each registered output format renders each report."""
    assert all(rendered(report, format) for format in render.FORMATS for report in REPORTS)


def test_json_does_not_need_the_table_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever wants JSON pays for no tables."""
    for module in [
        name
        for name in sys.modules
        if name.partition(".")[0] == "rich" or name.startswith("gradclip_cli.render.tables")
    ]:
        monkeypatch.delitem(sys.modules, module)
    rendered(LS, "json")
    assert "rich" not in sys.modules


def test_every_report_has_its_tables() -> None:
    """The registry of tables knows the schema of each report, and no other."""
    assert set(TABLES) == {kind.schema for kind in report_kinds()}
