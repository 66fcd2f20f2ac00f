"""The papers are complete, short where they have to be, and lead where they say."""

import re
import tomllib
from pathlib import Path

import pytest

from docs import command_line
from docs.places import DOCS, README, ROOT, name_of, pages
from docs.session import Session

pytestmark = pytest.mark.skipif(not README.is_file(), reason="installed without its README")

LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)(?:#[^)]*)?\)")
PAPERS = [*pages(), *(ROOT / name for name in ("CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"))]


def text_of(page: Path) -> str:
    """Return a page."""
    return page.read_text(encoding="utf-8")


def first_cells(page: str, heading: str) -> list[str]:
    """Return the first cells of the rows of the table whose first heading is `heading`."""
    table = text_of(DOCS / page).partition(f"| {heading} |")[2].partition("\n\n")[0]
    return re.findall(r"^\| `?([^`|]+?)`? \|", table.partition("\n")[2].partition("\n")[2], re.MULTILINE)


def test_the_readme_is_short() -> None:
    """The README is read in a minute; the rest stands in docs/."""
    assert README.stat().st_size <= 12_000


@pytest.mark.parametrize("page", PAPERS, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    """What a paper links to in this repository is there."""
    assert [link for link in LINK.findall(text_of(page)) if not (page.parent / link).exists()] == []


def test_every_page_is_in_the_index() -> None:
    """No page of docs/ is lost: each stands in a table of contents."""
    listed = re.findall(r"^[\w-]+(?:/[\w-]+)?$", text_of(DOCS / "index.md"), re.MULTILINE)
    found = [page.relative_to(DOCS).with_suffix("").as_posix() for page in pages()[1:]]
    assert sorted(listed) == sorted(set(found) - {"index"})


def test_tables_name_what_there_is() -> None:
    """The tables of rules, checks and formats have a row for each that the program knows, in its order, and no other."""
    assert first_cells("reference/rules.md", "rule") == command_line.rule_names()
    assert first_cells("reference/checks.md", "check") == command_line.check_names()
    formats = [cell.lower() for cell in first_cells("reference/formats.md", "format")]
    assert formats == command_line.format_names()


def test_the_commands_of_the_readme_run(tmp_path: Path) -> None:
    """Each command in the table of what one may want to know runs."""
    commands = re.findall(r"^\| .* \| `(gradclip .*)` \|$", text_of(README), re.MULTILINE)
    session = Session(tmp_path)
    shown = [session.console(f"$ {command}\n$ echo $?\n") for command in commands]
    assert len(shown) >= 8
    assert all(text.endswith(("\n0\n", "\n1\n")) for text in shown)


def test_the_changelog_knows_the_version() -> None:
    """Changes stand under Unreleased or under a release, and the newest release is this version or the one before it."""
    headings = re.findall(r"^## (\S+)", text_of(ROOT / "CHANGELOG.md"), re.MULTILINE)
    assert headings[0] == "[Unreleased]"
    assert re.fullmatch(r"\[\d+\.\d+\.\d+\]", headings[1])


def test_every_target_explains_itself() -> None:
    """`make help` lists every target that is not a file."""
    makefile = text_of(ROOT / "Makefile")
    named = set(re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[1].split())  # type: ignore[index]
    assert named == set(re.findall(r"^([\w-]+):.* ## .+\.$", makefile, re.MULTILINE))


def test_targets_that_papers_name_exist() -> None:
    """A `make` target that a paper names is one."""
    targets = re.findall(r"^([\w-]+):", text_of(ROOT / "Makefile"), re.MULTILINE)
    named = {name for page in PAPERS for name in re.findall(r"`make ([\w-]+)", text_of(page))}
    assert sorted(named - set(targets)) == []


def test_dependencies_state_their_oldest_versions() -> None:
    """Each dependency has a lowest version, which `make lowest` tests."""
    project = tomllib.loads(text_of(ROOT / "pyproject.toml"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    assert [one for one in wanted if not re.fullmatch(r"[\w.-]+>=[\d.]+(,<\d+)?", one)] == []
