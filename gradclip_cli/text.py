"""Names and messages from files, made safe to print."""

import math
import re
from collections.abc import Iterable


def printable(text: str) -> str:
    r"""Escape everything that does not print: control, bidirectional and zero-width characters, lone surrogates.

    >>> printable("w\x1b[31m\u202e")
    'w\\x1b[31m\\u202e'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def is_unicode(text: str) -> bool:
    """Whether a text can be written as UTF-8: lone surrogates, which stand for bytes that are none, cannot."""
    return text.isascii() or not any("\ud800" <= c <= "\udfff" for c in text)


def one_line(text: str, limit: int = 1400) -> str:
    """Make `text` one printable line of at most `limit` bytes of UTF-8, cut in the middle where it is longer."""
    line = printable(text)
    data = line.encode()
    if len(data) <= limit:
        return line
    keep = (limit - 5) // 2
    return data[:keep].decode(errors="ignore") + " ... " + data[-keep:].decode(errors="ignore")


def plural(number: int, noun: str) -> str:
    """Write a number with its noun.

    >>> plural(1, "tensor"), plural(1200, "tensor")
    ('1 tensor', '1,200 tensors')
    """
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def shortlist(names: list[str], most: int = 8) -> str:
    """Join names, at most `most` of them.

    >>> shortlist(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    shown = ", ".join(printable(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def did_you_mean(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """Name the known word that is nearest, or else say what to do otherwise.

    >>> did_you_mean("treshold", ["strategy", "threshold"])
    'did you mean threshold?'
    """
    from difflib import get_close_matches

    spelled = {plain(name): name for name in known}
    near = get_close_matches(plain(word[:100]), spelled, 1, 0.5)
    return f"did you mean {spelled[near[0]]}?" if near else otherwise


def with_all(word: str, known: Iterable[str], all_of_them: str) -> str:
    """Name the known word that is nearest, if any is near, and then all of them."""
    return f"{did_you_mean(word, known)} {all_of_them}".lstrip()


def plain(word: str) -> str:
    """Drop what spellings of a name differ in: case, `-` and `_`."""
    return word.lower().replace("-", "").replace("_", "")


_REAL = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_WHOLE = re.compile(r"[+-]?\d{1,4000}", re.ASCII)
_NAMED = ("inf", "infinity", "nan")


def real(text: str) -> float | None:
    """Return the float64 that a text stands for; None where it is no number, or too large for one.

    >>> real("1e-3"), real("-inf"), real("1_0"), real("1e400")
    (0.001, -inf, None, None)
    """
    text = text.strip()
    if text.lower().lstrip("+-") in _NAMED and not text.startswith(("++", "--", "+-", "-+")):
        return float(text)
    value = float(text) if _REAL.fullmatch(text) else math.inf
    return value if math.isfinite(value) else None


def whole(text: str) -> int | None:
    """Return the whole number that a text stands for; None where it is none.

    >>> whole("12"), whole("1_2"), whole("1.0")
    (12, None, None)
    """
    text = text.strip()
    return int(text) if _WHOLE.fullmatch(text) else None
