"""Names from files are safe to print, on one line, and not too long."""

import pytest

from gradclip_cli.text import count, listed, one_line, printable


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lstm.weight_ih_l0", "lstm.weight_ih_l0"),
        ("Gewicht-Größe μ 層", "Gewicht-Größe μ 層"),
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("a\tb\r\n", "a\\tb\\r\\n"),
        ("evil\u202etxt", "evil\\u202etxt"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("\udc80", "\\udc80"),
        ("\x00", "\\x00"),
        ("\U000e0001", "\\U000e0001"),
    ],
)
def test_what_does_not_print_is_escaped(text: str, expected: str) -> None:
    """Control, bidirectional and zero-width characters and lone surrogates are escaped; everything else stays."""
    assert printable(text) == expected


@pytest.mark.parametrize("text", ["short", "two\nlines", "x" * 5000, "é" * 3000, "層" * 3000, "\x1b" * 900])
@pytest.mark.parametrize("limit", [50, 51, 1400])
def test_one_line_is_one_line_of_bounded_length(text: str, limit: int) -> None:
    """A text of any length and kind becomes one printable line of at most the limit in UTF-8."""
    found = one_line(text, limit)
    assert found.isprintable()
    assert len(found.encode()) <= limit


def test_the_end_of_a_line_is_shown() -> None:
    """A name that holds the end of a line is not taken for one that holds a blank."""
    assert one_line("a\nb c") == "a\\nb c"


def test_a_long_line_keeps_both_ends() -> None:
    """A text that is too long loses its middle."""
    assert one_line("begin" + "." * 500 + "finish", 40).startswith("begin")
    assert one_line("begin" + "." * 500 + "finish", 40).endswith("finish")


@pytest.mark.parametrize(
    ("number", "expected"), [(0, "0 files"), (1, "1 file"), (2, "2 files"), (1234567, "1,234,567 files")]
)
def test_a_number_with_its_noun(number: int, expected: str) -> None:
    """One thing is singular, any other number is plural, and thousands are grouped."""
    assert count(number, "file") == expected


@pytest.mark.parametrize(
    ("names", "expected"),
    [([], ""), (["a"], "a"), (["a", "b"], "a, b"), (["a", "b", "c", "d"], "a, b and 2 more"), (["\x07"], "\\x07")],
)
def test_a_list_of_names(names: list[str], expected: str) -> None:
    """At most so many names are shown, made printable, and the rest is counted."""
    assert listed(names, 2) == expected
