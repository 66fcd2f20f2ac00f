"""A table in a pipe is as wide as its cells, and every cell is whole."""

from gradclip_cli.render.tables.grid import Column, Grid
from gradclip_cli.render.tables.plain import lines, widths

COLUMNS = [Column("layer", text=True), Column("norm\nbefore")]


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    """Texts are set to the left and figures to the right, headings are on one line, and a total stands under a line."""
    grid = Grid("each layer", COLUMNS, [("lstm", "13"), ("h", "0.5")], ("total", "13.01"))
    assert "".join(lines(grid, "-")) == (
        "each layer\n"
        "layer  norm before\n"
        "-----  -----------\n"
        "lstm            13\n"
        "h              0.5\n"
        "-----  -----------\n"
        "total        13.01\n"
        "\n"
    )
    assert widths(grid) == [5, 11]


def test_wide_characters_keep_columns_straight() -> None:
    """A character that takes two places is counted as two."""
    grid = Grid("t", COLUMNS, [("層層層", "1"), ("abcdef", "2")])
    _, _, _, first, second, _ = lines(grid, "-")
    assert first == "層層層            1\n"
    assert second == "abcdef            2\n"
    assert widths(grid) == [6, 11]


def test_a_table_without_rows_has_its_headings() -> None:
    """Nothing is as wide as its headings."""
    assert [*lines(Grid("t", COLUMNS, []), "=")] == ["t\n", "layer  norm before\n", "=====  ===========\n", "\n"]


def test_rows_are_made_once() -> None:
    """To make a row takes longer than to print it: each is looked at once, also of very many."""
    made: list[int] = []

    class Rows(list[tuple[str, ...]]):
        def __iter__(self):  # type: ignore[no-untyped-def]
            for k in range(5000):
                made.append(k)
                yield (f"l{k}", str(k))

    assert sum(1 for _ in lines(Grid("t", COLUMNS, Rows()), "-")) == 5004
    assert made == [*range(5000)]
