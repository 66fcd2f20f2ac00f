"""The directory of an archive is read as zipfile reads it, and whatever contradicts it is refused."""

import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.official import savez_compressed
from support.tensors import read_all

from gradclip_cli.errors import InputError
from gradclip_cli.formats.npz import archive as archives
from gradclip_cli.storage.random_access import InputFile
from unit.formats.npz.made import ARRAYS, npy_bytes


def broken(path: Path, change: Callable[[bytes], bytes]) -> str:
    """What is said of an archive whose bytes were changed."""
    np.savez(path, first=np.arange(200, dtype="f4"), second=np.ones(300, "f8"))
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(InputError) as caught:
        read_all(path)
    assert str(caught.value).isprintable()
    return caught.value.message


def patched(at: Callable[[bytes], int], new: bytes) -> Callable[[bytes], bytes]:
    """Replace bytes at a place."""

    def change(data: bytes) -> bytes:
        start = at(data)
        return data[:start] + new + data[start + len(new) :]

    return change


def central(offset: int) -> Callable[[bytes], int]:
    """A place in the first entry of the directory."""
    return lambda data: data.index(b"PK\x01\x02") + offset


def end(offset: int) -> Callable[[bytes], int]:
    """A place in the end record."""
    return lambda data: data.rindex(b"PK\x05\x06") + offset


BROKEN_ZIP: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "cut short": (lambda data: data[:-30], "no central directory"),
    "added to": (lambda data: data + b"x", "no central directory"),
    "bytes before it": (lambda data: b"PK\x03\x04" + data, "central directory is not where"),
    "a damaged directory": (patched(central(0), b"XXXX"), "directory is damaged"),
    "encrypted": (patched(central(8), b"\x01\x00"), "is encrypted"),
    "another disk": (patched(central(34), b"\x07\x00"), "another disk"),
    "no local header": (patched(central(42), b"\x05\x00\x00\x00"), "no local header"),
    "another name": (patched(lambda data: 30, b"thief"), "contradicts the directory"),
    "another method": (patched(central(10), b"\x08\x00"), "contradicts the directory"),
    "another size": (patched(central(24), b"\x05\x00\x00\x00"), "is stored, yet"),
    "too many members": (patched(end(8), b"\x09\x00\x09\x00"), "lists 2 members"),
    "several disks": (patched(end(4), b"\x01\x00"), "disk of several"),
    "another CRC": (patched(central(16), b"abcd"), "contradicts the directory"),
    "changed elements": (patched(lambda data: 400, b"oops"), "CRC is wrong"),
}


@pytest.mark.parametrize("case", BROKEN_ZIP)
def test_a_broken_archive_is_refused_with_its_reason(path: Path, case: str) -> None:
    """Whatever contradicts the directory, and whatever a checksum shows, is refused in one line."""
    change, reason = BROKEN_ZIP[case]
    assert reason in broken(path, change)


def test_a_name_twice(path: Path) -> None:
    """Two members of one name are refused."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("w.npy", npy_bytes(np.zeros(1)))
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("w.npy", npy_bytes(np.zeros(1)))
    with pytest.raises(InputError, match="stands twice"):
        read_all(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_methods_are_refused(path: Path, method: int) -> None:
    """An array that is packed by a method that numpy never uses is refused, with the way out."""
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("w.npy", npy_bytes(np.zeros(9)))
    with pytest.raises(InputError, match="savez_compressed"):
        read_all(path)


def test_an_archive_that_unpacks_to_very_much(path: Path) -> None:
    """A small file that claims to hold very much is refused unless it is allowed."""
    np.savez(path, w=np.zeros(9, "f4"))
    huge = struct.pack("<Q", 5 << 30)
    data = path.read_bytes()
    at = data.index(b"PK\x01\x02")
    extra = struct.pack("<HH", 1, 8) + huge
    entry = bytearray(data[at : data.rindex(b"PK\x05\x06")])
    entry[10:12], entry[24:28], entry[30:32] = b"\x08\x00", b"\xff" * 4, struct.pack("<H", len(extra))
    tail = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 1, 1, len(entry) + len(extra), at, 0)
    head = bytearray(data[:at])
    head[8:10] = b"\x08\x00"
    path.write_bytes(bytes(head) + bytes(entry) + extra + tail)
    with pytest.raises(InputError, match="--allow-huge"):
        read_all(path)


def test_an_empty_archive_is_a_dump_without_tensors(path: Path) -> None:
    """An archive without members is valid."""
    np.savez(path)
    assert read_all(path) == {}


def test_the_directory_is_what_zipfile_reads(path: Path) -> None:
    """Names, methods, checksums, sizes and offsets of members are those of zipfile."""
    savez_compressed(path, **ARRAYS)
    with InputFile(str(path)) as file, zipfile.ZipFile(path) as archive:
        found = archives.members(file)
        assert [(m.name, m.method, m.crc, m.packed, m.size) for m in found] == [
            (info.filename, info.compress_type, info.CRC, info.compress_size, info.file_size)
            for info in archive.infolist()
        ]
        assert all(zlib.decompress(file.read(m.offset, m.packed), -15) == archive.read(m.name) for m in found)
