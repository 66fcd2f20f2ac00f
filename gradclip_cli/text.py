"""Make names and messages printable, and parse numbers strictly."""

import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

_USER = r"""(?<=://)[^\s/?#"'<>]*@"""
_WORD = r"""(?:[^\s"'<>\\]|\\u[0-9a-f]{4})+"""
_NEXT = r"(?i)(?<=[;,])(?=[a-z][a-z0-9+.-]*://)"
_SIGNS = r"(?i)x-amz-|x-goog-|sig=|signature=|token="
"""What tells the users of URLs, words, the next URL in a word, and queries that sign a request."""


def shown(text: str, left_out: str = "…") -> str:
    """Leave out what may be secret in the URLs of a text: users, passwords, and queries, which may sign a request.

    >>> shown("https://me:pw@host/g.npz?sig=a.b: ends early"), shown("g.npz?X-Amz-Date=1&X-Amz-Signature=2")
    ('https://…@host/g.npz?…: ends early', 'g.npz?…')
    >>> shown("s3://bucket/step_?.npz, hf://datasets/me/run@main/g.npz")
    's3://bucket/step_?.npz, hf://datasets/me/run@main/g.npz'
    """
    if "://" in text:
        text = re.sub(_USER, lambda _: f"{left_out}@", text)
    if "?" in text and "=" in text:
        text = re.sub(_WORD, lambda word: "".join(_unsigned(one, left_out) for one in re.split(_NEXT, word[0])), text)
    return text


def _unsigned(word: str, left_out: str) -> str:
    """Leave out the query of a URL, or of a name with a query that signs a request; keep what ends a sentence."""
    name, _, query = word.partition("?")
    if not re.match("[^/=]*=", query) or not ("://" in name or re.search(_SIGNS, query)):
        return word
    return f"{name}?{left_out}{word[len(word.rstrip(':;,.)')) :]}"


def printable(text: str) -> str:
    r"""Escape all characters that do not print: control, bidirectional and zero-width ones, and lone surrogates.

    What may be secret in a URL is left out.

    >>> printable("w\x1b[31m\u202e"), printable("https://me:pw@host/g.npz")
    ('w\\x1b[31m\\u202e', 'https://…@host/g.npz')
    """
    if "://" in text or "?" in text:
        text = shown(text)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def is_unicode(text: str) -> bool:
    """Return whether a text can be encoded in UTF-8: lone surrogates, which stand for undecodable bytes, cannot."""
    return text.isascii() or not any("\ud800" <= c <= "\udfff" for c in text)


def one_line(text: str, limit: int = 1400) -> str:
    """Return `text` as one printable line of at most `limit` bytes of UTF-8; the middle of a longer one is left out."""
    line = printable(text)
    data = line.encode()
    if len(data) <= limit:
        return line
    keep = (limit - 5) // 2
    return data[:keep].decode(errors="ignore") + " ... " + data[-keep:].decode(errors="ignore")


def plural(number: int, noun: str) -> str:
    """Write a number with its noun, in the plural unless it is 1.

    >>> plural(1, "tensor"), plural(1200, "tensor")
    ('1 tensor', '1,200 tensors')
    """
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def sentence(text: str) -> str:
    """End a sentence with a full stop, unless it is a question.

    >>> sentence("few steps"), sentence("few steps?")
    ('few steps.', 'few steps?')
    """
    return text if text.endswith("?") else f"{text}."


def capital(text: str) -> str:
    """Begin a sentence with a capital letter.

    >>> capital("take 7.8"), capital("")
    ('Take 7.8', '')
    """
    return f"{text[:1].upper()}{text[1:]}"


def shortlist(names: list[str], most: int = 8) -> str:
    """List at most `most` names, and say how many more there are.

    >>> shortlist(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    shown = ", ".join(printable(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def ranges(numbers: Iterable[int]) -> str:
    """List whole numbers as ranges of consecutive ones.

    >>> ranges([41, 0, 1, 2, 40, 60])
    '0-2, 40-41, 60'
    """
    return ", ".join(_range(*run) for run in runs(numbers))


def runs(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Return the first and the last of each range of consecutive whole numbers.

    >>> runs([41, 0, 1, 2, 40])
    [(0, 2), (40, 41)]
    """
    found: list[tuple[int, int]] = []
    for number in sorted(set(numbers)):
        if found and number == found[-1][1] + 1:
            found[-1] = found[-1][0], number
        else:
            found.append((number, number))
    return found


def _range(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"


_WIDE = 60
"""The greatest width of a list of steps."""


def steps_text(steps: Sequence[tuple[int, int]] | None, every: Sequence[int], width: int = _WIDE) -> str:
    """List ranges of steps in at most `width` characters, and count the steps that do not fit; `every` are those of all dumps.

    >>> steps_text([(0, 4), (17, 17), (40, 44)], range(50), 20), steps_text([(0, 4), (17, 17), (40, 44)], range(0, 50, 2), 14)
    ('0-4, 17, 40-44', '0-4, 17, 40-44')
    >>> steps_text([(0, 4), (17, 17), (40, 44)], range(50), 12), steps_text([(0, 4), (17, 17), (40, 44)], range(50), 3)
    ('0-4, 6 more', '11 steps')
    """
    if steps is None:
        return "-"
    texts = [_range(*run) for run in steps]
    counts = [bisect_right(every, last) - bisect_left(every, first) for first, last in steps]
    every_step = sum(counts)
    for kept in range(min(len(texts), width), 0, -1):  # each takes a character at least: a log may have 100,000 ranges
        left = [f"{every_step - sum(counts[:kept])} more"] if kept < len(texts) else []
        found = ", ".join([*texts[:kept], *left])
        if len(found) <= width:
            return found
    return f"{every_step} steps" if len(texts) > 1 else "".join(texts)


_LARGE, _LARGEST = 100, 1_000_000
"""Multiples between these are written out."""


def times(value: float) -> str:
    """Format how many times a figure is another, with two digits.

    >>> times(18.6), times(2.345), times(1234.5), times(1e9)
    ('19 x', '2.3 x', '1,200 x', '1e+09 x')
    """
    rounded = float(f"{value:.2g}")
    return f"{rounded:,.0f} x" if _LARGE <= rounded < _LARGEST else f"{rounded:.2g} x"


def percent(share: float | None, digits: int = 0) -> str:
    """Format a share in per cent with so many decimals, or with one below 1 %; never round to none or to all.

    >>> percent(0.2203), percent(0.2203, 1), percent(0.0041), percent(0.0), percent(None)
    ('22 %', '22.0 %', '0.4 %', '0 %', '-')
    >>> percent(0.9999), percent(0.9999, 1), percent(0.0001), percent(1.0, 1)
    ('>99 %', '>99.9 %', '<0.1 %', '100 %')
    >>> percent(-1.126), percent(-0.004)
    ('-113 %', '-0.4 %')
    """
    if share is None:
        return "-"
    if share in (0, 1):
        return "100 %" if share else "0 %"
    step = 10.0**-digits
    if 100 - step / 2 <= 100 * share < 100:
        return f">{100 - step:g} %"
    if 0 < share < 0.0005:
        return "<0.1 %"
    return f"{100 * share:.{digits if abs(share) >= 0.01 else 1}f} %"


_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")


def byte_size(number: int) -> str:
    """Format a number of bytes with three digits and its unit.

    >>> byte_size(512), byte_size(33_900_000), byte_size(999_999), byte_size(4 * 10**12)
    ('512 bytes', '33.9 MB', '1 MB', '4 TB')
    """
    if number < 1000:
        return plural(number, "byte")
    value, unit = float(number), 0
    while value >= 999.5 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.3g} {_UNITS[unit]}"


def did_you_mean(word: str, known: Iterable[str], otherwise: str = "", least: float = 0.5) -> str:
    """Suggest the nearest known word; return `otherwise` where none is near: of a likeness of `least`, from 0 to 1.

    >>> did_you_mean("treshold", ["strategy", "threshold"])
    'did you mean threshold?'
    """
    from difflib import get_close_matches

    spelled = {plain(name): name for name in known}
    near = get_close_matches(plain(word[:100]), spelled, 1, least)
    return f"did you mean {spelled[near[0]]}?" if near else otherwise


def with_all(word: str, known: Iterable[str], all_of_them: str) -> str:
    """Suggest the nearest known word, if any is near, and append the text that lists them all."""
    return f"{did_you_mean(word, known)} {all_of_them}".lstrip()


def plain(word: str) -> str:
    """Normalize a name for comparison: ignore case, `-` and `_`."""
    return word.lower().replace("-", "").replace("_", "")


_REAL = r"(?ai)[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?"
_WHOLE = r"(?a)[+-]?\d{1,4000}"
_NAMED = ("inf", "infinity", "nan")


def real(text: str) -> float | None:
    """Parse a float64; return None where the text is not a number, or is beyond the range of float64.

    >>> real("1e-3"), real("-inf"), real("1_0"), real("1e400")
    (0.001, -inf, None, None)
    """
    text = text.strip()
    if text.lower().lstrip("+-") in _NAMED and not text.startswith(("++", "--", "+-", "-+")):
        return float(text)
    value = float(text) if re.fullmatch(_REAL, text) else math.inf
    return value if math.isfinite(value) else None


def whole(text: str) -> int | None:
    """Parse a whole number; return None where the text is not one.

    >>> whole("12"), whole("1_2"), whole("1.0")
    (12, None, None)
    """
    text = text.strip()
    return int(text) if re.fullmatch(_WHOLE, text) else None
