"""Put what a PDF holds in one order: what draws it goes by hashes, so that its bytes would change from run to run."""

import re
from itertools import pairwise

_ENTRIES = re.compile(rb"(?m)(?:^ +/\w+ \d+ \d+ R\n){2,}")
"""Entries of a dictionary, a line each, that refer to objects."""

_REFERENCE = re.compile(rb"\b(\d+) 0 R\b")
_START = re.compile(rb"startxref\n(\d+)\n%%EOF\s*\Z")
_PLACE = re.compile(rb"(\d{10}) 00000 n")
"""The place of an object in the table of objects; the first one is that of object 1."""


def in_order(pdf: bytes) -> bytes:
    """Return a PDF whose objects are numbered, and stand, as they are referred to from its end on, by names in their order.

    A file that is not laid out as this expects comes back as it is.
    """
    start = _START.search(pdf)
    table = int(start[1]) if start else 0
    places = [int(place) for place in _PLACE.findall(pdf, table)] if start else []
    ends = dict(pairwise([*sorted(places), table]))
    if not places or len(ends) < len(places):
        return pdf
    objects = {number: _sorted(pdf[place : ends[place]]) for number, place in enumerate(places, 1)}
    tail = pdf[pdf.index(b"trailer", table) : pdf.index(b"startxref", table)]
    numbers = _numbers(objects, tail)
    if len(numbers) < len(objects):
        return pdf
    moved = [_numbered(objects[number], numbers) for number in numbers]
    return _written(pdf[: min(places)], moved, _refer(tail, numbers))


def _sorted(part: bytes) -> bytes:
    """Return an object with the entries of its dictionaries in order; its stream stays."""
    head, stream, data = part.partition(b"\nstream\n")
    return _ENTRIES.sub(lambda found: b"".join(sorted(found[0].splitlines(keepends=True))), head) + stream + data


def _numbers(objects: dict[int, bytes], tail: bytes) -> dict[int, int]:
    """Return the new number of each object by its old one, in the order in which they are reached."""
    found: dict[int, int] = {}
    left = _referred(tail)[::-1]
    while left:
        number = left.pop()
        if number in objects and number not in found:
            found[number] = len(found) + 1
            left += _referred(objects[number].partition(b"\nstream\n")[0])[::-1]
    return found


def _referred(text: bytes) -> list[int]:
    return [int(number) for number in _REFERENCE.findall(text)]


def _numbered(part: bytes, numbers: dict[int, int]) -> bytes:
    """Return an object with its new number, and those of what it refers to."""
    head, stream, data = part.partition(b"\nstream\n")
    old, obj, rest = head.partition(b" 0 obj")
    return b"%d" % numbers[int(old)] + obj + _refer(rest, numbers) + stream + data


def _refer(text: bytes, numbers: dict[int, int]) -> bytes:
    return _REFERENCE.sub(lambda found: b"%d 0 R" % numbers.get(int(found[1]), int(found[1])), text)


def _written(head: bytes, objects: list[bytes], tail: bytes) -> bytes:
    """Return a PDF of these objects, with a table of their places."""
    places, at = list[int](), len(head)
    for one in objects:
        places.append(at)
        at += len(one)
    table = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    entries = b"".join(b"%010d 00000 n \n" % place for place in places)
    return b"".join((head, *objects, table, entries, tail, b"startxref\n%d\n%%%%EOF" % at))
