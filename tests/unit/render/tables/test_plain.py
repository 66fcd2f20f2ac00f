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


def test_a_terminal_gets_the_columns_that_fit() -> None:
    """Columns of the highest rank go until a table fits, its total too; those of rank 0 stay, however narrow it is."""
    columns = [*COLUMNS, Column("factor", rank=1), Column("max", rank=2)]
    grid = Grid("t", columns, [("lstm", "13", "0.5", "7")], ("total", "13", "", "7"))

    def heads(width: int | None) -> list[str]:
        _, head, _, row, _, total, _ = lines(grid, "-", width)
        assert len(row.split()) == len(head.split()) - 1 == len(total.split()) + ("factor" in head)
        return head.split()

    assert heads(None) == heads(31) == ["layer", "norm", "before", "factor", "max"]
    assert heads(30) == heads(26) == ["layer", "norm", "before", "factor"]
    assert heads(25) == heads(1) == ["layer", "norm", "before"]
