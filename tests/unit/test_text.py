"""Names from files are safe to print, on one line, and not too long; what is typed as a number is one to a person, too."""

import json
import math
import time

import pytest

from gradclip_cli.text import (
    byte_size,
    one_line,
    percent,
    plural,
    printable,
    real,
    shortlist,
    shown,
    steps_text,
    times,
    whole,
)


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
    assert plural(number, "file") == expected


@pytest.mark.parametrize(
    ("names", "expected"),
    [([], ""), (["a"], "a"), (["a", "b"], "a, b"), (["a", "b", "c", "d"], "a, b and 2 more"), (["\x07"], "\\x07")],
)
def test_a_list_of_names(names: list[str], expected: str) -> None:
    """At most so many names are shown, made printable, and the rest is counted."""
    assert shortlist(names, 2) == expected


NONE = [
    "",
    " ",
    "one",
    "1_0",
    "1__0",
    "_1",
    "١",
    "1٫5",
    "１",
    "0x10",
    "1e",
    "e1",
    ".",
    "+",
    "1,5",
    "1.2.3",
    "--1",
    "1 0",
]


READ = {
    "1": 1.0,
    "-2.5": -2.5,
    ".5": 0.5,
    "5.": 5.0,
    " 1e-3 ": 1e-3,
    "1E+2": 100.0,
    "+1": 1.0,
    "inf": math.inf,
    "-Infinity": -math.inf,
    "1.7976931348623157e308": 1.7976931348623157e308,
    "1e-400": 0.0,
}


@pytest.mark.parametrize(("text", "value"), READ.items())
def test_numbers_are_read(text: str, value: float) -> None:
    """Decimal digits with a point and an exponent are a number, and so is infinity by its name."""
    assert real(text) == value


@pytest.mark.parametrize("text", [*NONE, "1e400", "-1e400", "+-inf", "--inf"])
def test_what_only_python_reads_is_no_number(text: str) -> None:
    """Underscores, digits of other scripts, and what is infinite only for want of room, are refused."""
    assert real(text) is None


@pytest.mark.parametrize("text", [*NONE, "1.0", "1e2", "inf", "nan", "9" * 5000])
def test_what_is_no_whole_number(text: str) -> None:
    """A whole number is decimal digits behind a sign, if any."""
    assert whole(text) is None


def test_whole_numbers_are_read() -> None:
    """A whole number may be larger than any of a machine's."""
    assert (whole("007"), whole("-3"), whole(" +4 "), whole("9" * 30)) == (7, -3, 4, 10**30 - 1)


def test_not_a_number_is_named() -> None:
    """NaN can be typed, so that it is refused where it is no value."""
    assert math.isnan(real("nan") or 0.0)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.5, "0.5 x"),
        (1.0, "1 x"),
        (1.54, "1.5 x"),
        (18.6, "19 x"),
        (99.9, "100 x"),
        (851.6, "850 x"),
        (1e7, "1e+07 x"),
    ],
)
def test_multiples(value: float, text: str) -> None:
    """Two digits are enough, and large ones are written out."""
    assert times(value) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (1.0, "100 %"),
        (0.9999, ">99 %"),
        (0.994, "99 %"),
        (0.0006, "0.1 %"),
        (0.0, "0 %"),
        (None, "-"),
        (1e-9, "<0.1 %"),
    ],
)
def test_shares(share: float | None, text: str) -> None:
    """A share that is not 0 is never told as 0, nor one that is not all as 100 %."""
    assert percent(share) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        *[(0.345, "34.5 %"), (1.0, "100 %"), (0.0, "0 %"), (0.0041, "0.4 %"), (0.00012, "<0.1 %"), (1e-9, "<0.1 %")],
        *[(0.9994, "99.9 %"), (0.9996, ">99.9 %"), (1 - 1e-9, ">99.9 %")],
    ],
)
def test_shares_with_a_decimal(share: float, text: str) -> None:
    """A decimal more changes neither end."""
    assert percent(share, 1) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 bytes"), (1, "1 byte"), (999, "999 bytes"), (1000, "1 kB"), (33_931_264, "33.9 MB"), (999_999, "1 MB")],
)
def test_a_number_of_bytes(number: int, text: str) -> None:
    """A size has three digits and the unit that these are fewest in: no 1000 kB."""
    assert byte_size(number) == text


@pytest.mark.parametrize(
    ("width", "text"),
    [
        (60, "0-4, 17, 41, 43-50"),
        (18, "0-4, 17, 41, 43-50"),
        (17, "0-4, 17, 9 more"),
        (12, "0-4, 10 more"),
        (3, "15 steps"),
    ],
)
def test_steps_fit_or_are_counted(width: int, text: str) -> None:
    """What does not fit is counted: steps, and not ranges of them."""
    assert steps_text([(0, 4), (17, 17), (41, 41), (43, 50)], range(60), width) == text


def test_only_steps_of_the_series_are_counted() -> None:
    """A range over every tenth step has as many as there are dumps."""
    assert steps_text([(0, 40), (60, 60), (80, 90)], range(0, 100, 10), 12) == "0-40, 3 more"


def test_no_ranges() -> None:
    """Steps without numbers have a dash, and no step is nothing."""
    assert (steps_text(None, []), steps_text([], [])) == ("-", "")


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("https://h/a?sig=1;https://h/b?x=2&sig=3,", "https://h/a?…;https://h/b?…,"),
        ("(az://c/k?sv=1&sig=a;b), then", "(az://c/k?…), then"),
        ("https://TOKEN@h/x: 403", "https://…@h/x: 403"),
        ("g.npz?token=1 'https://h/x?y=z'", "g.npz?… 'https://h/x?…'"),
        ("what?a=b is=x", "what?a=b is=x"),
        ("s3://b/step_?/epoch=1", "s3://b/step_?/epoch=1"),
    ],
)
def test_secrets_are_left_out(text: str, left: str) -> None:
    """Of URLs only, and of names that are signed; twice is once."""
    assert shown(text) == left
    assert shown(left) == left


def test_json_stays_json() -> None:
    """In a text of JSON, what is left out ends with its string, whatever is escaped in it."""
    told = {"note": 'is "https://u:p@h/x?sig=ü1" or\n"y"', "input": "https://h/x?a=1"}
    found = json.loads(shown(json.dumps(told), r"\u2026"))
    assert found == {"note": 'is "https://…@h/x?…" or\n"y"', "input": "https://h/x?…"}


@pytest.mark.parametrize("unit", ["://", "?", "a?b=", "://@", ",a://", "x-amz-"])
def test_long_names_take_no_long_time(unit: str) -> None:
    """The time grows with the length of a name, even of one that somebody has made to do harm."""
    text = unit * 100_000 + "?a=b"
    started = time.process_time()
    shown(text)
    assert time.process_time() - started < 2
