"""Read and write the part of the zip format that npz files use.

`zipfile` trusts local headers, accepts members that overlap, and gives no offsets; this module checks the central directory
against everything else. Source: PKWARE APPNOTE 6.3.
"""

import struct
from collections.abc import Sequence
from typing import NamedTuple, NoReturn

from gradclip_cli.errors import InputError
from gradclip_cli.storage.base import RandomAccess

STORED, DEFLATED = 0, 8
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_LOCAL = struct.Struct("<4s5H3I2H")
_END = struct.Struct("<4s4H2IH")
_END64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR = struct.Struct("<4sIQI")
_TOP32 = 0xFFFFFFFF
_TOPS = (0xFFFF, _TOP32, _TOP32)
_UTF8, _DESCRIPTOR, _ENCRYPTED, _PATCH = 0x800, 0x8, 0x2041, 0x20
_NEWEST = 63  # version 6.3 of the format; members that need a newer one are refused
_LOOKED_AT = 12 << 10  # bytes of a member that hold its local header and that of the array in it
_DATE = 0x21  # 1 January 1980, as numpy writes it: the same input gives the same bytes


class Member(NamedTuple):
    """One file in an archive; `packed`, `size`, `offset` and `local_at` are in bytes."""

    name: str
    method: int
    crc: int
    packed: int
    size: int
    offset: int  # of the packed bytes, past the local header
    local_at: int = 0


def members(file: RandomAccess) -> list[Member]:
    """Read the central directory and check every member against its local header."""
    count, length, start, limit = _directory(file)
    data = file.read(start, length)
    rows, at = list[tuple[tuple[int, ...], bytes, bytes]](), 0
    while at < len(data):
        if len(data) - at < _CENTRAL.size or data[at : at + 4] != b"PK\x01\x02":
            _refuse(file, "its central directory is damaged")
        fields = _CENTRAL.unpack_from(data, at)
        names, extra, comment = fields[10:13]
        at += _CENTRAL.size
        rows.append((fields, data[at : at + names], data[at + names : at + names + extra]))
        at += names + extra + comment
    if at != len(data):
        _refuse(file, "its central directory is damaged")
    if len(rows) != count:
        _refuse(file, f"its directory lists {len(rows):,} members, its end record {count:,}")
    expect_headers(file, [fields[-1] for fields, *_ in rows])
    found = [_member(file, *row) for row in rows]
    _check_overlap(file, found, limit)
    return found


def expect_headers(file: RandomAccess, members_at: Sequence[int]) -> None:
    """Say that the local headers at these offsets will be read, with what describes the arrays behind them."""
    file.expect([(at, _LOOKED_AT) for at in members_at])


def comment(file: RandomAccess) -> bytes:
    """Return the comment at the end of an archive."""
    at, _ = _end_record(file)
    return file.read(at + _END.size, 0xFFFF)


def _end_record(file: RandomAccess) -> tuple[int, tuple[int, ...]]:
    """Find the end record, which the comment follows; return its offset and its fields."""
    tail_at = max(0, file.size - _END.size - 0xFFFF)
    tail = file.read(tail_at, file.size - tail_at)
    at = tail.rfind(b"PK\x05\x06")
    while at >= 0 and (len(tail) - at < _END.size or at + _END.size + _END.unpack_from(tail, at)[7] != len(tail)):
        at = tail.rfind(b"PK\x05\x06", 0, at)
    if at < 0:
        _refuse(file, "it has no central directory: it was cut short, or added to")
    return tail_at + at, _END.unpack_from(tail, at)[1:]


def _directory(file: RandomAccess) -> tuple[int, int, int, int]:
    """Return the count, length and offset of the directory, and the offset where members must end."""
    end, (disk, first, here, count, length, start, _) = _end_record(file)
    locator = file.read(max(0, end - _LOCATOR.size), _LOCATOR.size)
    if locator[:4] == b"PK\x06\x07":
        record_at = _LOCATOR.unpack(locator)[2]
        record = file.read(record_at, _END64.size)
        if len(record) < _END64.size or record[:4] != b"PK\x06\x06":
            _refuse(file, "its zip64 end record is damaged")
        narrow = (count, length, start)
        _, _, _, _, disk, first, here, count, length, start = _END64.unpack(record)
        end = record_at
        if any(old not in (new, top) for old, new, top in zip(narrow, (count, length, start), _TOPS, strict=True)):
            _refuse(file, "its two end records contradict each other")
    if disk or first or here != count:
        _refuse(file, "it is one disk of several")
    if start + length != end:
        _refuse(file, "its central directory is not where its end record says")
    return count, length, start, start


def _member(file: RandomAccess, fields: tuple[int, ...], raw_name: bytes, extra: bytes) -> Member:
    _, _, needed, flags, method, _, _, crc, packed, size, _, _, _, disk, _, _, local_at = fields
    name = _name(file, raw_name, flags)
    if "\0" in name:
        _refuse(file, "has a NUL in its name, where other readers end it", name)
    if needed > _NEWEST or flags & _PATCH:
        _refuse(file, "needs a part of the zip format that is not known", name)
    if flags & _ENCRYPTED:
        _refuse(file, "is encrypted", name)
    if disk not in (0, 0xFFFF):
        _refuse(file, "lies on another disk", name)
    size, packed, local_at = _zip64(file, name, extra, (size, packed, local_at))
    local = file.read(local_at, _LOCAL.size)
    if len(local) < _LOCAL.size or local[:4] != b"PK\x03\x04":
        _refuse(file, "has no local header where the directory says", name)
    _, _, local_flags, local_method, _, _, *sums, name_length, extra_length = _LOCAL.unpack(local)
    alike = (local_method, local_flags) == (method, flags) and (
        flags & _DESCRIPTOR or _agree(sums, [crc, packed, size])
    )
    if file.read(local_at + _LOCAL.size, name_length) != raw_name or not alike:
        _refuse(file, "has a local header that contradicts the directory", name)
    if method == STORED and packed != size:
        _refuse(file, f"is stored, yet {packed:,} bytes for {size:,}", name)
    return Member(name, method, crc, packed, size, local_at + _LOCAL.size + name_length + extra_length, local_at)


def _name(file: RandomAccess, raw: bytes, flags: int) -> str:
    try:
        return raw.decode("utf-8" if flags & _UTF8 else "cp437")
    except UnicodeDecodeError as error:
        raise InputError(f"a member's name is not UTF-8: {error}", path=file.path) from error


def _agree(local: list[int], central: list[int]) -> bool:
    """Return whether a local header gives the same CRC and sizes; those of 64 bits are in the extra field."""
    return all(mine in (theirs, _TOP32) for mine, theirs in zip(local, central, strict=True))


def _zip64(file: RandomAccess, name: str, extra: bytes, sizes: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return the sizes, with those that do not fit in 32 bits taken from the extra field."""
    if _TOP32 not in sizes:
        return sizes
    at = 0
    while at + 4 <= len(extra):
        tag, length = struct.unpack_from("<HH", extra, at)
        if tag == 1 and at + 4 + length <= len(extra) and length >= 8 * sizes.count(_TOP32):
            wide = iter(struct.unpack_from(f"<{length // 8}Q", extra, at + 4))
            first, second, third = (next(wide) if value == _TOP32 else value for value in sizes)
            return first, second, third
        at += 4 + length
    raise InputError("has a zip64 size and no zip64 field", path=file.path, tensor=name)


def _check_overlap(file: RandomAccess, found: list[Member], limit: int) -> None:
    end = 0
    for member in sorted(found, key=lambda member: (member.offset, member.packed)):
        if member.local_at < end or member.offset + member.packed > limit:
            _refuse(file, "overlaps another member or the directory", member.name)
        end = member.offset + member.packed
    if found and file.read(0, 4) != b"PK\x03\x04":
        _refuse(file, "it does not begin with a member")


def local_header(name: str, method: int) -> bytes:
    """Return the local header of a member without its CRC and sizes; `sealed_header` has the same length."""
    return sealed_header(name, method, 0, 0, 0)


def sealed_header(name: str, method: int, crc: int, packed: int, size: int) -> bytes:
    """Return the local header of a member, with 64-bit sizes so that its length does not depend on them."""
    encoded, flags = _encoded(name)
    extra = struct.pack("<HHQQ", 1, 16, size, packed)
    fixed = _LOCAL.pack(b"PK\x03\x04", 45, flags, method, 0, _DATE, crc, _TOP32, _TOP32, len(encoded), len(extra))
    return fixed + encoded + extra


def directory(entries: list[tuple[Member, int]], start: int, comment: bytes = b"") -> bytes:
    """Return the central directory and its end record, for members and the offsets of their local headers."""
    body = b"".join(_entry(member, local_at) for member, local_at in entries)
    count, end = len(entries), start + len(body)
    end64 = _END64.pack(b"PK\x06\x06", _END64.size - 12, 45, 45, 0, 0, count, count, len(body), start)
    locator = _LOCATOR.pack(b"PK\x06\x07", 0, end, 1)
    few, short, near = min(count, 0xFFFF), min(len(body), _TOP32), min(start, _TOP32)
    wide = end64 + locator if count else b""  # readers know an empty archive by an end record at its start
    return body + wide + _END.pack(b"PK\x05\x06", 0, 0, few, few, short, near, len(comment)) + comment


def _entry(member: Member, local_at: int) -> bytes:
    """Return one entry of the directory, with 64-bit sizes and the mode that numpy gives."""
    encoded, flags = _encoded(member.name)
    extra = struct.pack("<HHQQQ", 1, 24, member.size, member.packed, local_at)
    sizes = (member.crc, _TOP32, _TOP32, len(encoded), len(extra), 0, 0, 0, 0o600 << 16, _TOP32)
    return _CENTRAL.pack(b"PK\x01\x02", 45, 45, flags, member.method, 0, _DATE, *sizes) + encoded + extra


def _encoded(name: str) -> tuple[bytes, int]:
    return (name.encode("ascii"), 0) if name.isascii() else (name.encode(), _UTF8)


def _refuse(file: RandomAccess, message: str, member: str | None = None) -> NoReturn:
    raise InputError(message, path=file.path, tensor=member)
