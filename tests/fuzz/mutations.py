"""Damage to a dump, decided by a number alone: the same number makes the same mutant."""

import json
import random
import struct
import zlib
from collections.abc import Callable
from functools import cache
from typing import Any

from fuzz.checksums import Sealed, seal, sealed
from fuzz.seeds import seeds

_NUMBERS = (
    0,
    1,
    2,
    7,
    0x7F,
    0x80,
    0xFF,
    0xFFFF,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFF,
    (1 << 63) - 1,
    1 << 63,
    (1 << 64) - 1,
)
_VALUES: tuple[Any, ...] = (
    0,
    1,
    -1,
    3,
    1 << 31,
    1 << 53,
    1 << 64,
    10**30,
    1.5,
    True,
    None,
    "",
    "F32",
    "F64",
    "BF16",
    "w",
    [],
    [0],
    [1 << 40],
    {},
)

Damage = Callable[[bytearray, random.Random], None]


SEALED = "-sealed"
"""Behind `hdf5`: damage that was done on purpose, with checksums made right. HDF5 itself does not bear all of it."""


def mutant(target: str, number: int) -> bytes:
    """Return one damaged dump of a format."""
    format = target.removesuffix(SEALED)
    chance = random.Random(f"{format} {number}")
    which = chance.randrange(len(seeds(format)))
    sound = seeds(format)[which]
    data = bytearray(sound)
    kinds = _ANY + 2 * _OF[format]
    for _ in range(chance.choice((1, 1, 1, 2, 3, 6))):
        chance.choice(kinds)(data, chance)
    if target.endswith(SEALED) and len(data) == len(sound):
        seal(data, [(start, end) for start, end in _seals(which) if data[start:end] != sound[start:end]])
    return bytes(data)


@cache
def _seals(which: int) -> list[Sealed]:
    return sealed(seeds("hdf5")[which])


def _at(data: bytearray, chance: random.Random) -> int:
    """A place in a dump: more often in its first kilobyte, where the headers are."""
    return chance.randrange(min(len(data), chance.choice((64, 1024, len(data) or 1))) or 1)


def _flip(data: bytearray, chance: random.Random) -> None:
    if data:
        data[_at(data, chance)] ^= 1 << chance.randrange(8)


def _byte(data: bytearray, chance: random.Random) -> None:
    if data:
        data[_at(data, chance)] = chance.randrange(256)


def _number(data: bytearray, chance: random.Random) -> None:
    """Replace a number of 1 to 8 bytes by one at a limit, near what it was, or near the size of the file."""
    size, at = chance.choice((1, 2, 4, 8)), _at(data, chance)
    old = int.from_bytes(data[at : at + size], "little")
    value = chance.choice(
        (*_NUMBERS, old + 1, old - 1, 2 * old, old // 2, len(data), len(data) - 1, at, old + len(data))
    )
    data[at : at + size] = (value % (1 << 8 * size)).to_bytes(size, "little")[: len(data) - at]


def _cut(data: bytearray, chance: random.Random) -> None:
    del data[_at(data, chance) if chance.random() < 0.5 else -chance.randrange(1, 64) :]


def _append(data: bytearray, chance: random.Random) -> None:
    data += (
        chance.randbytes(chance.choice((1, 8, 100))) if chance.random() < 0.5 else bytes(chance.choice((1, 8, 4096)))
    )


def _remove(data: bytearray, chance: random.Random) -> None:
    at = _at(data, chance)
    del data[at : at + chance.choice((1, 4, 8, 100))]


def _repeat(data: bytearray, chance: random.Random) -> None:
    at = _at(data, chance)
    part = data[at : at + chance.choice((1, 8, 46, 512))]
    data[at:at] = part * chance.choice((1, 1, 2, 50))


def _swap(data: bytearray, chance: random.Random) -> None:
    """Copy one part over another, of the same length: what a structure points to is then of another kind."""
    size, a, b = chance.choice((4, 8, 16, 40, 512)), _at(data, chance), _at(data, chance)
    part = data[a : a + size][: len(data) - b]
    data[b : b + len(part)] = part


def _blank(data: bytearray, chance: random.Random) -> None:
    at = _at(data, chance)
    size = min(chance.choice((1, 8, 64, 512)), len(data) - at)
    data[at : at + size] = bytes([chance.choice((0, 0, 0xFF))]) * size


def _splice(data: bytearray, chance: random.Random) -> None:
    """Take over the end, or a part, of any dump of any format."""
    other = chance.choice(seeds(chance.choice(("safetensors", "npz", "hdf5"))))
    at = chance.randrange(len(other))
    if chance.random() < 0.5:
        data[_at(data, chance) :] = other[at:]
    else:
        here = _at(data, chance)
        data[here : here + 64] = other[at : at + 64]


def _json_value(data: bytearray, chance: random.Random) -> None:
    """Change one value in the header of a safetensors file and keep its length right."""
    header, rest = _safetensors_parts(data)
    entry = header[chance.choice(list(header))] if header else None
    if not isinstance(entry, dict) or not entry:
        return
    key = chance.choice(list(entry))
    if isinstance(entry[key], list) and entry[key] and chance.random() < 0.8:
        k = chance.randrange(len(entry[key]))
        old = entry[key][k]
        near = [old + 1, old - 1, 2 * old, -old] if isinstance(old, int) else []
        entry[key][k] = chance.choice((*_VALUES, *near, *near))
    else:
        entry[key] = chance.choice(_VALUES)
    _put_header(data, header, rest)


def _json_shape(data: bytearray, chance: random.Random) -> None:
    """Add, drop, rename or exchange entries of the header of a safetensors file."""
    header, rest = _safetensors_parts(data)
    keys = list(header)
    if not keys:
        return
    a, b = chance.choice(keys), chance.choice(keys)
    kind = chance.randrange(4)
    if kind == 0:
        del header[a]
    elif kind == 1:
        header[chance.choice(("", "__metadata__", a + "\x1b[2J", "a/b", "\ud800", "x" * 3000))] = header[a]
    elif kind == 2:
        header[a], header[b] = header[b], header[a]
    else:
        header[a] = chance.choice(_VALUES)
    _put_header(data, header, rest)


def _json_text(data: bytearray, chance: random.Random) -> None:
    """Replace a character of the header by one that means something in JSON."""
    length = int.from_bytes(data[:8], "little")
    if 0 < length <= len(data) - 8:
        data[8 + chance.randrange(length)] = ord(chance.choice('{}[]",:-.eE0123456789\\ \n\0'))


def _safetensors_parts(data: bytearray) -> tuple[dict[str, object], bytes]:
    length = int.from_bytes(data[:8], "little")
    try:
        header = json.loads(data[8 : 8 + length])
    except ValueError:  # an earlier mutation was here
        return {}, b""
    return (header, bytes(data[8 + length :])) if isinstance(header, dict) else ({}, b"")


def _put_header(data: bytearray, header: dict[str, object], rest: bytes) -> None:
    text = json.dumps(header, ensure_ascii=True).encode()
    data[:] = len(text).to_bytes(8, "little") + text + rest


def _zip_field(data: bytearray, chance: random.Random) -> None:
    """Change one field of a local header, of an entry of the directory, or of its end record."""
    signature, fields = chance.choice(
        ((b"PK\x03\x04", 26), (b"PK\x01\x02", 42), (b"PK\x05\x06", 18), (b"PK\x06\x06", 52))
    )
    at = _place_of(data, signature, chance)
    if at >= 0:
        field = at + 4 + 2 * chance.randrange(fields // 2)
        part = data[field : field + 4]
        _number(part, chance)
        data[field : field + 4] = part


def _zip_member(data: bytearray, chance: random.Random) -> None:
    """Repeat or drop an entry of the directory, with or without the count of entries."""
    at = _place_of(data, b"PK\x01\x02", chance)
    after = data.find(b"PK", at + 4)
    end = data.rfind(b"PK\x05\x06")
    if at < 0 or after < 0 or end < after:
        return
    entry = data[at:after]
    repeated = chance.random() < 0.5
    data[at:after] = entry * 2 if repeated else b""
    end += len(entry) if repeated else -len(entry)
    if len(data) >= end + 22:
        count, size = struct.unpack_from("<HI", data, end + 10)
        changed = 1 if repeated else -1
        struct.pack_into(
            "<HHI",
            data,
            end + 8,
            (count + changed) % 65536,
            (count + changed) % 65536,
            (size + changed * len(entry)) % (1 << 32),
        )


def _npy_text(data: bytearray, chance: random.Random) -> None:
    """Change the header of an array in an archive, and make its CRC right where it is stored."""
    at = _place_of(data, b"\x93NUMPY", chance)
    if at < 0:
        return
    old, new = chance.choice(
        (
            (b"<f4", chance.choice((b"<f8", b"|O8", b">i2", b"|V2", b"<U9", b"<M8", b"|S0"))),
            (b"False", b" True"),
            (b"(20", chance.choice((b"(21", b"(-2", b"(1e", b"(99", b"( 0"))),
            (b"{'descr'", chance.choice((b"{'DESCR'", b"[[[[[[[[", b"{'descr'"[::-1]))),
            (
                b"\x01\x00v\x00",
                chance.choice((b"\x02\x00v\x00", b"\x01\x00\xff\xff", b"\x01\x00\x00\x00", b"\x09\x09v\x00")),
            ),
        )
    )
    header = data[at : at + 128].replace(old, new, 1)
    end = min((at_end for sign in (b"PK\x03\x04", b"PK\x01\x02") if (at_end := data.find(sign, at)) >= 0), default=0)
    crc = zlib.crc32(data[at:end]).to_bytes(4, "little")
    data[at : at + 128] = header
    data[:] = data.replace(crc, zlib.crc32(data[at : end + len(header) - 128]).to_bytes(4, "little"))


def _hdf5_message(data: bytearray, chance: random.Random) -> None:
    """Change a number shortly behind a signature of HDF5, where its structures keep counts, sizes and addresses."""
    signature = chance.choice(
        (b"\x89HDF", b"OHDR", b"TREE", b"SNOD", b"HEAP", b"GCOL", b"OCHK", b"FRHP", b"FHDB", b"BTHD", b"BTLF", b"BTIN",
         b"FAHD", b"FADB", b"EAHD", b"EAIB", b"EADB")
    )  # fmt: skip
    at = _place_of(data, signature, chance)
    if at >= 0:
        start = at + 4 + chance.randrange(chance.choice((8, 40, 300)))
        part = data[start : start + 8]
        if part:
            _number(part, chance)
            data[start : start + 8] = part


def _place_of(data: bytearray, signature: bytes, chance: random.Random) -> int:
    """Where a signature stands, one of the places by chance, or -1."""
    count = data.count(signature)
    at = -1
    for _ in range(chance.randrange(count) + 1 if count else 0):
        at = data.find(signature, at + 1)
    return at


_ANY: tuple[Damage, ...] = (_flip, _byte, _number, _number, _cut, _append, _remove, _repeat, _swap, _blank, _splice)
_OF: dict[str, tuple[Damage, ...]] = {
    "safetensors": (_json_value, _json_value, _json_shape, _json_text),
    "npz": (_zip_field, _zip_field, _zip_member, _npy_text),
    "hdf5": (_hdf5_message, _hdf5_message, _flip, _number),
}
