"""Read the fields of messages of Protocol Buffers; a message that is damaged raises ValueError, and nothing else."""

from collections.abc import Iterator

_FIXED = {1: 8, 5: 4}
_VARINT, _BYTES = 0, 2
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
        if kind == _VARINT:
            value, at = varint(data, at, stop)
            yield key >> 3, value, -1
            continue
        if kind == _BYTES:
            size, at = varint(data, at, stop)
        elif kind in _FIXED:
            size = _FIXED[kind]
        else:
            raise ValueError(f"no field is of kind {kind}")
        if at + size > stop:
            raise ValueError("a field is longer than its message")
        yield key >> 3, at, at + size
        at += size
