"""Every example of README and docs does what it says, and what comes from the program is current."""

from pathlib import Path

import pytest
from support.matrices import heavy

from docs.filling import PART, PARTS, filled
from docs.places import BLOCK, README, name_of, pages
from docs.session import ExampleError, Session

pytestmark = pytest.mark.skipif(not README.is_file(), reason="installed without its README")


PAGES = [pytest.param(page, id=name_of(page), marks=() if page == README else heavy) for page in pages()]
"""`make docs` tries all of them."""


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_filled_in(page: Path) -> None:
    """Examples run, show what stands below them, and tables are the program's; `make docs-source` writes them."""
    text = page.read_text(encoding="utf-8")
    assert filled(text) == text


def test_every_part_stands_somewhere() -> None:
    """What the program can tell is told: no part was lost, and none is unknown."""
    found = {part["name"] for page in pages() for part in PART.finditer(page.read_text(encoding="utf-8"))}
    assert found == set(PARTS)


def test_blocks_that_are_not_run_show_no_command_of_ours() -> None:
    """`shell` blocks are for what installs and makes; a command of gradclip belongs into a block that is run."""
    blocks = [block for page in pages() for block in BLOCK.finditer(page.read_text(encoding="utf-8"))]
    assert all("gradclip apply" not in block["text"] for block in blocks if block["kind"] in ("shell", "bash"))
    assert sum(block["kind"] == "console" for block in blocks) >= 20
    assert sum(block["kind"] == "sh" for block in blocks) >= 10


def test_an_output_that_is_no_longer_true_is_replaced() -> None:
    """Below a command stands what it shows now, whatever stood there."""
    page = "```console\n$ gradclip --version\ngradclip 0.0.1\n```\n"
    assert filled(page) not in (page, "```console\n$ gradclip --version\n```\n")


@pytest.mark.parametrize("block", ["gradclip ls missing.npz\n", "gradclip stats run -s clip-by-norm --rule typo\n"])
def test_a_script_that_fails_is_no_example(block: str, tmp_path: Path) -> None:
    """A command that ends with another code than 0 is refused."""
    with pytest.raises(ExampleError, match="ended with"):
        Session(tmp_path).script(block)


def test_an_exit_code_has_to_be_shown(tmp_path: Path) -> None:
    """A session may fail where the page says so by `echo $?`, and nowhere else."""
    session = Session(tmp_path)
    assert session.console("$ gradclip ls missing.npz\n$ echo $?\n").endswith("$ echo $?\n3\n")
    with pytest.raises(ExampleError, match="does not show"):
        session.console("$ gradclip ls missing.npz\n")
