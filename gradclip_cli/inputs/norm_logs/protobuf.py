"""Read the fields of messages of Protocol Buffers; a message that is damaged raises ValueError, and nothing else."""

from collections.abc import Iterator

VARINT, FIXED_64, BYTES, FIXED_32 = 0, 1, 2, 5
"""The kinds of fields."""

_FIXED = {FIXED_64: 8, FIXED_32: 4}
_LONGEST = 63


def varint(data: bytes, at: int, stop: int) -> tuple[int, int]:
    r"""Return the whole number at `at`, and where it ends.

    >>> varint(b"\xac\x02", 0, 2)
    (300, 2)
    """
    value = shift = 0
    while at < stop and shift <= _LONGEST:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
    raise ValueError("a number has no end")


def fields(data: bytes, at: int, stop: int) -> Iterator[tuple[int, int, int]]:
    """Yield the number of each field and its value: where its bytes begin and end, or a whole number and -1."""
    while at < stop:
        key, at = varint(data, at, stop)
        kind = key & 7
        if kind == VARINT:
            value, at = varint(data, at, stop)
            yield key >> 3, value, -1
            continue
        if kind == BYTES:
            size, at = varint(data, at, stop)
        elif kind in _FIXED:
            size = _FIXED[kind]
        else:
            raise ValueError(f"no field is of kind {kind}")
        if at + size > stop:
            raise ValueError("a field is longer than its message")
        yield key >> 3, at, at + size
        at += size


def spans(data: bytes, at: int, stop: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield the number and the kind of each field, and where its bytes begin and end, those of a whole number too."""
    while at < stop:
        key, start = varint(data, at, stop)
        kind = key & 7
        end = varint(data, start, stop)[1] if kind == VARINT else 0
        for _, found, last in fields(data, at, stop):
            start, end = (start, end) if last < 0 else (found, last)
            break
        yield key >> 3, kind, start, end
        at = end
