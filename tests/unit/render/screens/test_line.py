"""A line is text with a meaning."""

from gradclip_cli.render.screens.line import Span, bad, dim, line, strong, text_of, warn


def test_texts_and_spans_make_a_line() -> None:
    """A text has no meaning of its own; a span keeps its own."""
    assert line("a ", strong("b")) == (Span("a ", ""), Span("b", "strong"))
    assert [span.style for span in (bad("x"), warn("x"), strong("x"), dim("x"))] == ["bad", "warn", "strong", "dim"]


def test_the_text_of_a_line_has_no_blanks_at_its_end() -> None:
    """What is padded is not written."""
    assert text_of(line("a  ", dim("b "), "  ")) == "a  b"
