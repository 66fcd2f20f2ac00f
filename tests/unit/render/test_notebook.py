"""A notebook shows the screen of a report, and takes its rows as a data frame."""

import sys
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any

import pytest

from gradclip_cli.errors import UsageError
from gradclip_cli.render.records import records
from unit.render.made import APPLY, LS, REPORTS, STATS


class Tags(HTMLParser):
    """The tags and the text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags, self.text = set[str](), ""

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: type(report).__name__)
def test_a_report_is_shown_as_html(report: Any) -> None:
    """There is text of the report in one block, and no tag but ours."""
    page = Tags()
    page.feed(report._repr_html_())
    assert page.tags <= {"pre", "span"}
    assert page.text.strip()


def test_names_are_no_markup() -> None:
    """A name that looks like a tag stays text."""
    name = "<img src=x onerror=alert(1)>"
    html = LS._replace(tensors=[LS.tensors[0]._replace(name=name, layer=name)])._repr_html_()
    assert "<img" not in html
    assert "&lt;img" in html


class Frame(SimpleNamespace):
    """Stands in for a data frame."""

    @classmethod
    def from_records(cls, rows: list[dict[str, Any]], columns: list[str]) -> "Frame":
        return cls(rows=rows, columns=columns)


def test_rows_become_a_data_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are chosen as by `--by`; without a kind they are those of tensors."""
    monkeypatch.setitem(sys.modules, "pandas", SimpleNamespace(DataFrame=Frame))
    frame = STATS.to_dataframe("layer")
    assert frame.columns[:2] == ["scope", "layer"]
    assert str(frame.rows) == str(list(records(STATS, "layer")))
    assert {row["scope"] for row in APPLY.to_dataframe().rows} == {"param"}
    assert len(APPLY.to_dataframe("step").rows) == len(APPLY.dumps)
    assert LS.to_dataframe("param").columns == LS.to_dataframe().columns
    assert LS.to_dataframe().columns == ["input", "name", "layer", "param", "shape", "dtype", "bytes"]
    with pytest.raises(UsageError, match="stats has no tables by tensor; it has them by total"):
        STATS.to_dataframe("tensor")


def test_without_pandas_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """pandas is no dependency."""
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UsageError, match="pip install pandas"):
        STATS.to_dataframe()


def test_pandas_takes_the_rows() -> None:
    """A real data frame has the columns of csv, and NaN where a figure is."""
    pytest.importorskip("pandas")
    frame: Any = STATS.to_dataframe("step")
    assert frame["norm"].isna().tolist() == [True]
    assert frame["step"].tolist() == [None]


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: type(report).__name__)
def test_at_a_prompt_a_report_is_short(report: Any) -> None:
    """A report of a million rows does not flood a prompt: its name and its fields are told."""
    told = repr(report)
    assert told.startswith(f"<{type(report).__name__} with ")
    assert len(told) < 500
