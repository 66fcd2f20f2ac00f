"""The registry of output formats: each renders each report, and imports what it needs only."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.report_types import report_kinds

from gradclip_cli import render
from gradclip_cli.render.screens import SCREENS
from gradclip_cli.render.tables.arrange import TABLES
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


def test_every_screen_is_of_a_report_and_few_have_none() -> None:
    """Only the list of strategies, and what the cache holds, are shown as tables."""
    assert set(SCREENS) == {kind.schema for kind in report_kinds()} - {"gradclip.cache/1", "gradclip.strategies/1"}


@pytest.mark.parametrize("kinds", [(), ("all",)])
def test_a_command_imports_its_own_screens_and_tables_only(kinds: tuple[str, ...], tmp_path: Path) -> None:
    """What shows the report of `stats` imports no screen and no table of another command."""
    np.savez(tmp_path / "g.npz", a=np.ones(3, np.float32))
    argv = ["stats", str(tmp_path / "g.npz"), *(word for kind in kinds for word in ("--by", kind))]
    script = (
        f"import atexit, sys\nsys.argv[1:] = {argv}\nimport os\nos._exit = lambda code: None\n"
        "from gradclip_cli.__main__ import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "names = ('apply', 'check', 'diff', 'listing', 'ls', 'show')\n"
        "print([one for one in names for part in ('screens', 'tables') if f'gradclip_cli.render.{part}.{one}' in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "[]"
