"""Every text of a page is text, and tables are tables."""

import pytest

from gradclip_cli.render.html.elements import items, section, table, text
from gradclip_cli.render.html.picture import NumberTable


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("</script>", "&lt;/script&gt;"),
        ('"&amp;', "&quot;&amp;amp;"),
        ("\u202ea\x1b", "\\u202ea\\x1b"),
        ("编码器", "编码器"),
    ],
)
def test_names_are_text(name: str, shown: str) -> None:
    """No name is markup, turns the direction of writing, or holds what does not print."""
    assert text(name) == shown


def test_a_table_has_heads_for_its_columns_and_rows() -> None:
    """Figures stand on the right; the first cell of a row is its head."""
    found = table(NumberTable("Norms", ["layer", "norm"], [["a<b", "1.5"], ["c", "-"]]))
    assert "<caption>Norms</caption>" in found
    assert "<th scope=col>layer</th><th scope=col class=n>norm</th>" in found
    assert "<th scope=row>a&lt;b</th><td class=n>1.5</td>" in found


def test_a_long_table_is_folded() -> None:
    """It says how many rows it has before it is opened."""
    found = table(NumberTable("Norms", ["step"], [[str(k)] for k in range(1300)]))
    assert found.startswith("<details><summary>Norms (1,300 rows)</summary>")


def test_what_is_empty_is_left_out() -> None:
    """A section without parts and a list without lines are nothing."""
    assert section("notes", "Notes", items([])) == ""
