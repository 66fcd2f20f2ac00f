"""A line is text with a meaning, and lines stand in columns."""

from gradclip_cli.render.screens.line import Span, aligned, bad, dim, line, strong, text_of, warn, width_of


def test_texts_and_spans_make_a_line() -> None:
    """A text has no meaning of its own; a span keeps its own."""
    assert line("a ", strong("b")) == (Span("a ", ""), Span("b", "strong"))
    assert [span.style for span in (bad("x"), warn("x"), strong("x"), dim("x"))] == ["bad", "warn", "strong", "dim"]


def test_the_text_of_a_line_has_no_blanks_at_its_end() -> None:
    """What is padded is not written."""
    assert text_of(line("a  ", dim("b "), "  ")) == "a  b"


def test_figures_end_and_names_begin_at_the_same_cell() -> None:
    """A column is aligned to the right or to the left, and its last one is not padded."""
    rows: list[list[str | Span]] = [["a", "1", "x"], ["long", bad("100"), "yy"]]
    lines = aligned(rows, [False, True, False])
    assert [text_of(one) for one in lines] == [" a       1  x", " long  100  yy"]
    assert width_of(rows) == len(" long  100  yy")


def test_wide_characters_line_up() -> None:
    """A Chinese character takes two cells."""
    lines = aligned([["层", "1"], ["ab", "2"], ["abc", "3"]], [False, True], gap=1, indent=0)
    assert [text_of(one) for one in lines] == ["层  1", "ab  2", "abc 3"]


def test_a_meaning_does_not_cover_the_padding() -> None:
    """Only the text itself is coloured."""
    (first, _) = aligned([["a", bad("1")], ["a", "100"]], [False, True])
    assert [span.text for span in first if span.style == "bad"] == ["1"]
