"""Members are packed and unpacked piece by piece, and their checksums are right."""

import io
import zipfile
import zlib
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from support.tensors import gradients, read_all

from gradclip_cli.errors import InputError
from gradclip_cli.formats.npz import archive as archives
from gradclip_cli.formats.npz import deflate
from gradclip_cli.formats.npz.deflate import Deflater, Inflater
from gradclip_cli.storage.random_access import InputFile


@pytest.mark.parametrize("at", range(90, 1000, 130))
def test_a_damaged_deflated_member(path: Path, at: int) -> None:
    """A deflated array of which a byte was changed is refused, wherever that is: the stream, the header or the CRC is wrong."""
    np.savez_compressed(path, w=gradients(400))
    data = bytearray(path.read_bytes())
    data[at] ^= 0x5A
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"cannot be unpacked|CRC|\.npy"):
        read_all(path)


@pytest.mark.parametrize("cuts", [(0,), (1, 5, 100), (10, 11, 12, 9000), tuple(range(0, 500, 7))])
def test_checksums_of_parts_are_joined(cuts: tuple[int, ...]) -> None:
    """The CRC of a run of bytes follows from those of its parts, in any order."""
    data = gradients(2500).tobytes()
    edges = sorted({0, *cuts, len(data)})
    parts = {a: (zlib.crc32(data[a:b]), b - a) for a, b in pairwise(edges)}
    assert deflate.crc_of_pieces(dict(reversed(parts.items()))) == (zlib.crc32(data), len(data))


def test_checksums_stop_at_a_gap() -> None:
    """Parts behind a gap are not counted."""
    assert deflate.crc_of_pieces({0: (zlib.crc32(b"ab"), 2), 3: (zlib.crc32(b"d"), 1)}) == (zlib.crc32(b"ab"), 2)


@pytest.mark.parametrize("second", [b"", b"x", bytes(100_000)])
def test_two_checksums_are_combined(second: bytes) -> None:
    """The CRC of two runs follows from each and the length of the second."""
    assert deflate.combine_crc(zlib.crc32(b"grad"), zlib.crc32(second), len(second)) == zlib.crc32(b"grad" + second)


@pytest.mark.parametrize("step", [1, 77, 10**6])
def test_a_member_is_unpacked_in_pieces(path: Path, step: int) -> None:
    """A deflated member comes in pieces of any size, and its end is checked."""
    data = np.arange(3000).astype("i2").tobytes()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("w", data)
    with InputFile(str(path)) as file:
        inflater, found = Inflater(file, archives.members(file)[0]), b""
        while part := inflater.take(step):
            found += part
        inflater.finish()
    assert found == data


def test_a_member_that_is_not_read_to_its_end_is_no_complete_one(path: Path) -> None:
    """Finishing before the end is an error: its checksum is not known."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("w", bytes(1000))
    with InputFile(str(path)) as file:
        inflater = Inflater(file, archives.members(file)[0])
        inflater.take(10)
        with pytest.raises(InputError, match="size"):
            inflater.finish()


def test_packing_is_undone_by_zlib() -> None:
    """What is packed piece by piece is one raw deflate stream with the right size and CRC."""
    parts = [bytes(1000), b"abc" * 500, b"", gradients(999).tobytes()]
    held = io.BytesIO()
    packer = Deflater(held)
    for part in parts:
        packer.write(part)
    packer.finish()
    data = b"".join(parts)
    assert zlib.decompress(held.read(), -15) == data
    assert (packer.size, packer.packed, packer.crc) == (len(data), len(held.getvalue()), zlib.crc32(data))
