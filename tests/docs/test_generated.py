"""Files that are written by the program alone are current; `make docs-source` writes them."""

import re
import subprocess
from collections.abc import Callable
from html import unescape
from pathlib import Path

import pytest
from support.matrices import heavy
from support.shell import shell

from docs import man, picture
from docs.__main__ import files
from docs.command_line import help_of
from docs.places import README, name_of
from docs.session import in_process

pytestmark = pytest.mark.skipif(not README.is_file(), reason="installed without its README")


@heavy  # `make docs` runs it, too
@pytest.mark.parametrize(("path", "make"), [pytest.param(path, make, id=name_of(path)) for path, make in files()])
def test_a_generated_file_is_current(path: Path, make: Callable[[], str]) -> None:
    """A generated file is what the program makes of it today."""
    assert path.read_text(encoding="utf-8") == make()


def test_the_help_in_the_reference_is_what_is_shown(tmp_path: Path) -> None:
    """What the reference takes for help is what a process shows on a terminal of 80 columns."""
    assert shell("gradclip apply --help-all", tmp_path).stdout.rstrip() == help_of("apply")


def test_the_picture_shows_what_the_command_shows(tmp_path: Path) -> None:
    """The lines in the picture of the README are the lines on the screen, whatever version of rich drew it."""
    drawn = unescape(re.sub(r"<[^>]*>", "", picture.PICTURE.read_text(encoding="utf-8"))).replace("\xa0", " ")
    shown = re.sub(r"\x1b\[[0-9;]*m", "", picture.screen())
    letters = "".join(drawn.split())  # a line of several colours is drawn in several parts
    missing = [line for line in shown.splitlines() if "".join(line.split()) not in letters]
    assert shown
    assert missing == []
    assert f"$ {picture.COMMAND}" in drawn


def test_the_picture_needs_no_network() -> None:
    """The picture holds its style, and asks for no font from elsewhere."""
    text = picture.PICTURE.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
    assert "http" not in text
    assert "url(#" in text


def test_the_manual_page_is_clean() -> None:
    """The formatter of manual pages finds nothing wrong with it."""
    try:
        argv = ["groff", "-man", "-Kutf8", "-Tutf8", "-wall", "-z", str(man.PAGE)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("groff is not installed")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_command_in_this_process_shows_what_a_process_shows(tmp_path: Path) -> None:
    """The examples that are run in the test's own process lose nothing by it."""
    line = "gradclip ls missing.npz"
    done = shell(line, tmp_path)
    shown = in_process(line.split()[1:], tmp_path)
    assert (shown.code, shown.text) == (done.returncode, done.stdout + done.stderr)
