"""A page is one file in which names are text, and which asks the net for nothing."""

import base64
import hashlib
import html
import json
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from support.made_runs import hostile
from support.matrices import heavy
from support.run_reports import run_report

from gradclip_cli.render.html import page as pages
from gradclip_cli.render.html.page import page, start, static_page
from unit.render.html.drawn_reports import made_pictures

TITLE = "</title><script>alert(3)</script>\u202e"


class _Elements(HTMLParser):
    """The elements of a page with their attributes, in their order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_no_name_ends_the_script() -> None:
    """The spec has its names as JSON, without any `<`."""
    line = start({"title": "</script><img>"})
    assert "<" not in line
    assert json.loads(line.partition(",")[2].partition(",{config")[0]) == {"title": "</script><img>"}


@pytest.fixture
def _drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("vl_convert")
    monkeypatch.setattr(pages, "pictures", lambda report: made_pictures())


@pytest.mark.usefixtures("_drawn")
def test_a_page_of_hostile_names_holds_two_scripts(tmp_path: Path) -> None:
    """Those are the ones that its policy names by their hashes; headings go down one by one, and ids are there once."""
    report = run_report(str(hostile().write(tmp_path / "run")), TITLE)
    found = page(report)
    assert found == page(report)
    scripts = re.findall(r"<script>(.*?)</script>", found, re.DOTALL)
    hashes = [base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in scripts]
    elements = _Elements(found).found
    policy = next(attrs["content"] for tag, attrs in elements if "http-equiv" in attrs)
    assert policy is not None
    assert re.findall(r"sha256-([^']+)'", policy) == hashes
    assert len(hashes) == 2
    ids = [attrs["id"] for _, attrs in elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    levels = [int(tag[1]) for tag, _ in elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert "\u202e" not in found
    assert html.escape(r"</title><script>alert(3)</script>\u202e") in found
    assert "clips 3 &lt; 4 steps</output>" in found


@heavy  # `make browser` looks at one, too
@pytest.mark.usefixtures("_drawn")
def test_a_static_page_has_no_script(tmp_path: Path) -> None:
    """Its pictures are SVG, each for a wide and for a narrow page, and its policy allows no script."""
    report = run_report(str(hostile().write(tmp_path / "run")), TITLE)
    found = static_page(report)
    elements = _Elements(found).found
    assert [tag for tag, _ in elements].count("svg") == 4
    assert not [tag for tag, attrs in elements if tag == "script" or any(key.startswith("on") for key in attrs)]
    assert "script-src" not in found
    assert {attrs["src"] for _, attrs in elements if "src" in attrs} == set()
    ids = [attrs["id"] for _, attrs in elements if "id" in attrs]
    assert len(ids) == len(set(ids))
