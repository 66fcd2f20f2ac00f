"""Markdown holds the same tables as the terminal, and shows names as they are."""

import re
from typing import Any

import pytest
from support.parsing import markdown_shown, markdown_source

from gradclip_cli.render.tables.arrange import wanted
from gradclip_cli.render.view import Order, View
from unit.render.made import APPLY, HOSTILE, LS, NAME, REPORTS, TABLES, of_names, written

LINKS = [
    "http://evil.example",
    "https://evil.example/a_b",
    "www.evil.example",
    "![x](y)",
    "**b**",
    "~~s~~",
    "a&lt;b",
    "$x$",
]


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: type(report).__name__)
def test_markdown_holds_the_tables(report: Any) -> None:
    """Each table stands under its heading with its rows and its total; text is set to the left, figures to the right."""
    text = written(report, View("md"))
    tables = markdown_source(text)
    grids = wanted(report, View())
    assert [table.title for table in tables] == [grid.title for grid in grids]
    for table, grid in zip(tables, grids, strict=True):
        assert table.alignments == [":---" if column.text else "---:" for column in grid.columns]
        total = [] if grid.total is None else [grid.total]
        assert table.rows[1:] == [list(row) for row in (*grid.rows, *total)]
    assert markdown_shown(text) == [table.rows for table in tables]


@pytest.mark.parametrize("name", [*HOSTILE, *LINKS], ids=range(len(HOSTILE) + len(LINKS)))
def test_names_are_shown_as_they_are(name: str) -> None:
    """A name makes no markup, no link and no other cell, and is whole; what does not print is escaped."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)
    text = written(of_names(name), View("md"))
    [[_, row]] = markdown_shown(text)
    assert row[0] == shown
    assert markdown_source(text)[0].rows[1][0] == shown
    assert not re.search("[a-z]://", text)
    assert "www." not in text


@pytest.mark.parametrize("path", ["a #", "# b", "*x*_y_.npz", "<b>"])
def test_headings_show_paths_as_they_are(path: str) -> None:
    """A path in a heading makes no markup."""
    text = written(APPLY._replace(dumps=[APPLY.dumps[0]._replace(input=path)]), View("md", TABLES))
    markdown_shown(text)
    assert markdown_source(text)[0].title.startswith(f"{path} (step 7")


def test_totals_are_the_last_row_of_what_is_chosen() -> None:
    """Columns that the table does not show by itself can be chosen, and the total goes with them."""
    text = written(APPLY, View("md", columns=("name", "elements", "shape", "factor"), order=Order("elements"), top=1))
    [table] = markdown_source(text)
    assert table.rows == [["param", "elements", "shape", "factor"], ["ids", "2", "2", "-"], ["total", "6", "-", ""]]


def test_nothing_is_cut() -> None:
    """The longest name is whole."""
    assert NAME.replace("[", "\\[").replace("]", "\\]").replace("_", "\\_") in written(LS, View("md"))
