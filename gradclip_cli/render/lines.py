"""Lines written to a stream."""

from collections.abc import Iterable
from itertools import islice
from typing import IO

_AT_ONCE = 1000


def write_lines(stream: IO[str], lines: Iterable[str]) -> None:
    """Write lines, each with its end, or other parts of a text, many at once: a stream takes each by itself for a long time."""
    rest = iter(lines)
    while some := list(islice(rest, _AT_ONCE)):
        stream.write("".join(some))
