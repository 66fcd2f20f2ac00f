"""What is typed as a number is one to a person, too."""

import math

import pytest

from gradclip_cli.text import real, whole

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
