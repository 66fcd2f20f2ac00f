"""Documents agree with the program: help, tables, examples, the manual page."""

import re
import runpy
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cli.shelling import furnish, shell

import gradclip_cli
from gradclip_cli import formats

ROOT = Path(gradclip_cli.__file__).parent.parent
README = ROOT / "README.md"
TEXT = README.read_text(encoding="utf-8") if README.is_file() else ""
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = [(found[1], found[2]) for found in BLOCK.finditer(TEXT)]
EXAMPLES = [text for kind, text in BLOCKS if kind == "sh" and not text.startswith("make ")]
SESSIONS = [text for kind, text in BLOCKS if kind == "console"]

pytestmark = pytest.mark.skipif(not TEXT, reason="installed without its README")


def script(name: str) -> dict[str, Any]:
    """Return what one of the scripts beside the tests defines."""
    return runpy.run_path(str(ROOT / "tests" / "docs" / f"{name}.py"))


def test_the_readme_is_filled_in() -> None:
    """Help, strategies, rules, exit codes and sessions in the README are the program's; `make docs` writes them."""
    assert script("readme")["filled"](TEXT) == TEXT


def test_a_readme_without_a_part_is_refused() -> None:
    """A part that the README lost is no reason to leave it out silently."""
    with pytest.raises(SystemExit, match="rules"):
        script("readme")["filled"](TEXT.replace("<!-- begin rules -->", ""))


def test_the_help_in_the_readme_is_what_is_shown(tmp_path: Path) -> None:
    """What the README takes for help is what the command shows on a terminal of 80 columns."""
    assert shell("gradclip --help", tmp_path).stdout.rstrip() in TEXT
    assert shell("gradclip apply --help", tmp_path).stdout.rstrip() in TEXT


def test_the_manual_page_is_up_to_date() -> None:
    """The manual page is what the help makes of it; `make man` writes it."""
    assert (ROOT / "gradclip_cli" / "gradclip.1").read_text(encoding="utf-8") == script("man")["page"]()


def test_the_manual_page_is_clean() -> None:
    """The formatter of manual pages finds nothing wrong with it."""
    try:
        argv = ["groff", "-man", "-Kutf8", "-Tutf8", "-wall", "-z", str(ROOT / "gradclip_cli" / "gradclip.1")]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("groff is not installed")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_table_of_formats() -> None:
    """The README's table of formats has a row for each format that there is, and no other."""
    rows = re.findall(r"^\| (\w+) \|", TEXT.split("## Formats")[1].split("\n\n")[1], re.MULTILINE)
    assert [row.lower() for row in rows[1:]] == list(formats.FORMATS)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: " ".join(text.split()[:3]))
def test_every_line_for_a_shell_runs(example: str, tmp_path: Path) -> None:
    """Every `sh` block of the README runs, in a folder that holds dumps of those names."""
    if "jq " in example and shutil.which("jq") is None:
        pytest.skip("jq is not installed")
    furnish(tmp_path)
    done = shell(f"set -e\n{example}", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("session", SESSIONS, ids=lambda text: " ".join(text.split()[:3]))
def test_every_session_shows_what_it_says(session: str, tmp_path: Path) -> None:
    """Every `console` block of the README is what its command shows."""
    (tmp_path / "sample_data").symlink_to(ROOT / "sample_data")
    command, _, output = session.removeprefix("$ ").partition("\n")
    done = shell(command, tmp_path)
    assert (done.returncode, done.stdout.rstrip()) == (0, output.rstrip())


def test_there_are_examples() -> None:
    """The README has sessions and lines for a shell, and the tests above see them."""
    assert len(SESSIONS) >= 2
    assert len(EXAMPLES) >= 5
