"""Tables hold whole names, and what does not print is escaped."""

import io
from typing import Any

import pytest

from gradclip_cli import render
from gradclip_cli.render.view import View
from gradclip_cli.reports.listing import LsReport
from unit.render.made import KINDS, LS, NAME, REPORTS, STATS, STRATEGIES, rendered


@pytest.mark.parametrize("report", REPORTS[:3], ids=["apply", "stats", "ls"])
def test_tables_hold_whole_names(report: Any) -> None:
    """A table that goes into a pipe cuts no name, takes no name for markup, and needs no colour."""
    text = rendered(report, "table")
    assert NAME in text
    assert "…" not in text
    assert "\x1b" not in text


@pytest.mark.parametrize("name", ["evil\x1b[2J", "two\nlines", "turn\u202earound"])
def test_tables_escape_what_does_not_print(name: str) -> None:
    """Control characters in names from files are shown, not sent to the terminal."""
    text = rendered(LsReport([LS.tensors[0]._replace(name=name, layer=name)], {}, []), "table")
    assert not set(name) & set("\x1b\u202e") & set(text)
    assert name.encode("unicode_escape").decode() in text


@pytest.mark.parametrize(("kind", "title"), [("layer", "each layer"), ("param", "each param"), ("step", "each dump")])
def test_only_the_wanted_tables_are_shown(kind: str, title: str) -> None:
    """Of `stats` the tables are shown that were asked for."""
    assert title in rendered(STATS, "table", frozenset({kind}))
    assert title not in rendered(STATS, "table", KINDS - {kind})


def test_a_stream_that_is_not_utf_8_gets_ascii() -> None:
    """Lines are drawn in ASCII where the stream cannot say more."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    render.write(STRATEGIES, stream, View("table", KINDS))
    stream.flush()
