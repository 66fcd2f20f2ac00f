"""Names and messages from files, made safe to print."""


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


def count(number: int, noun: str) -> str:
    """Write a number with its noun.

    >>> count(1, "tensor"), count(1200, "tensor")
    ('1 tensor', '1,200 tensors')
    """
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def listed(names: list[str], most: int = 8) -> str:
    """Join names, at most `most` of them.

    >>> listed(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    shown = ", ".join(printable(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
